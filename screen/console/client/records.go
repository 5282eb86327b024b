package client

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"releve"
)

// Search are the calls looked for, newest first.
func (c *Client) Search(ctx context.Context, q releve.CallQuery, limit int) (calls []releve.Call, err error) {
	query := url.Values{
		"limit": {strconv.Itoa(limit)}, "caller": {q.Caller}, "outcome": {q.Outcome}, "seat": {string(q.Seat)},
	}
	within(query, q.From, q.To)
	return calls, c.get(ctx, "/api/calls/search", query, &calls)
}

// Count counts the calls of some time by the hour, day, week or month.
func (c *Client) Count(ctx context.Context, by string, from, to time.Time) (counts []releve.CallCount, err error) {
	query := url.Values{"by": {by}}
	within(query, from, to)
	return counts, c.get(ctx, "/api/calls/count", query, &counts)
}

// within adds two times to what is asked; a zero one bounds nothing.
func within(query url.Values, from, to time.Time) {
	for name, t := range map[string]time.Time{"from": from, "to": to} {
		if !t.IsZero() {
			query.Set(name, t.Format(time.RFC3339Nano))
		}
	}
}
