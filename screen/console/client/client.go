// Package client speaks to a running server over its control socket.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"releve"

	"releve/screen/console"
	"releve/screen/view"
)

// Client is one server's operator.
type Client struct {
	http *http.Client
	as   string
}

// As is the client of somebody who says who he is.
func (c Client) As(name string) *Client {
	c.as = name
	return &c
}

// New makes a client of the server whose control socket is at path.
func New(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", path)
		if err != nil {
			return nil, fmt.Errorf("%w on %s: is `releve serve` running with this configuration, "+
				"and may you open its socket? %w", releve.ErrUnreachable, path, err)
		}
		return c, nil
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Site is the site now.
func (c *Client) Site(ctx context.Context) (s view.Site, err error) {
	return s, c.get(ctx, "/api/site", nil, &s)
}

// Diary are the decisions between two times, newest last. Zero times bound nothing.
func (c *Client) Diary(ctx context.Context, from, to time.Time, limit int) (entries []releve.Entry, err error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	within(query, from, to)
	return entries, c.get(ctx, "/api/diary", query, &entries)
}

func (c *Client) get(ctx context.Context, path string, query url.Values, into any) error {
	response, err := c.do(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	return json.NewDecoder(response.Body).Decode(into)
}

func (c *Client) do(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://releve"+path+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set(console.OperatorHeader, c.as)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	var why struct{ Type, Detail string }
	if json.NewDecoder(response.Body).Decode(&why) != nil || why.Detail == "" {
		why.Detail = response.Status
	}
	if cause := console.Problem(why.Type); cause != nil {
		return nil, fmt.Errorf("%w: %s", cause, why.Detail)
	}
	return nil, errors.New(why.Detail)
}

// Procedure runs a guided procedure and shows each change of it.
func (c *Client) Procedure(ctx context.Context, name string, dryRun bool, show func(view.Procedure)) error {
	return c.Wish(ctx, view.Wish{Name: name, DryRun: dryRun}, show)
}

// Wish runs a guided procedure on the operator's word, and shows each change of it.
func (c *Client) Wish(ctx context.Context, w view.Wish, show func(view.Procedure)) error {
	var word []byte
	if w.Abdication != nil {
		var err error
		if word, err = json.Marshal(w.Abdication); err != nil {
			return err
		}
	}
	query := url.Values{"dry-run": {strconv.FormatBool(w.DryRun)}, "other-is-off": {strconv.FormatBool(w.OtherIsOff)},
		"without-study": {w.WithoutStudy}, "by": {w.By}}
	return c.follow(ctx, "/api/procedures/"+url.PathEscape(w.Name), query, word, show)
}

// Abdicate has a mirror give its vote back, and returns its signed word (R3).
func (c *Client) Abdicate(ctx context.Context) (word view.Abdication, err error) {
	return word, c.post(ctx, "/api/abdication", nil, &word)
}

// Arbiter is by what the site decides.
func (c *Client) Arbiter(ctx context.Context) (a view.Arbiter, err error) {
	return a, c.get(ctx, "/api/arbiter", nil, &a)
}

// follow reads what a procedure emits, to its end.
func (c *Client) follow(ctx context.Context, path string, query url.Values, body []byte, show func(view.Procedure)) error {
	response, err := c.do(ctx, http.MethodPost, path, query, body)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	lines := json.NewDecoder(response.Body)
	for {
		var p console.Progress
		if err := lines.Decode(&p); err != nil {
			return fmt.Errorf("the server went away in the middle; run the command again, it goes on from where it was: %w", err)
		}
		if p.Procedure != nil {
			show(*p.Procedure)
		}
		if p.End {
			return ended(p)
		}
	}
}

func ended(p console.Progress) error {
	causes := map[string]error{"running": releve.ErrBusy, "unknown": releve.ErrUnknown, "not-allowed": releve.ErrForbidden}
	switch {
	case p.Error == "":
		return nil
	case causes[p.Cause] != nil:
		return fmt.Errorf("%w: %s", causes[p.Cause], p.Error)
	}
	return errors.New(p.Error)
}
