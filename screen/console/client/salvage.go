package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"releve"
	"strconv"
)

// Salvages are what old owners committed alone, without the rows, newest first (SPEC M6).
func (c *Client) Salvages(ctx context.Context) (all []releve.Salvage, err error) {
	return all, c.get(ctx, "/api/salvages", nil, &all)
}

// Salvage is one with at most so many of its rows.
func (c *Client) Salvage(ctx context.Context, id int64, limit int) (found releve.Salvage, err error) {
	return found, c.get(ctx, salvagePath(id), url.Values{"limit": {strconv.Itoa(limit)}}, &found)
}

// ExtractSalvage has the site look for lone rows now, and returns what was found.
func (c *Client) ExtractSalvage(ctx context.Context) (found []releve.Salvage, err error) {
	return found, c.post(ctx, "/api/salvages", nil, &found)
}

// ApplySalvage applies what is new to the site, and with replace what is in conflict too.
func (c *Client) ApplySalvage(ctx context.Context, id int64, dryRun, replace bool) (after releve.Salvage, err error) {
	query := url.Values{"dry-run": {strconv.FormatBool(dryRun)}, "replace": {strconv.FormatBool(replace)}}
	return after, c.post(ctx, salvagePath(id)+"/apply", query, &after)
}

// DiscardSalvage records that one is not wanted.
func (c *Client) DiscardSalvage(ctx context.Context, id int64) (after releve.Salvage, err error) {
	return after, c.post(ctx, salvagePath(id)+"/discard", nil, &after)
}

func salvagePath(id int64) string { return "/api/salvages/" + strconv.FormatInt(id, 10) }

func (c *Client) post(ctx context.Context, path string, query url.Values, into any) error {
	response, err := c.do(ctx, http.MethodPost, path, query, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	return json.NewDecoder(response.Body).Decode(into)
}
