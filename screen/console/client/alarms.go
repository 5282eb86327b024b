package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"releve/screen/view"
)

// AlarmStory is an alarm with what happened to it. One of which nothing is known fails with [releve.ErrUnknown].
func (c *Client) AlarmStory(ctx context.Context, name string) (s view.AlarmStory, err error) {
	return s, c.get(ctx, "/api/alarms/history", url.Values{"alarm": {name}}, &s)
}

// Handle has something done about an alarm. Why it is refused stands in the answer.
func (c *Client) Handle(ctx context.Context, h view.Handling) (answer view.Handled, err error) {
	order, err := json.Marshal(h)
	if err != nil {
		return answer, err
	}
	response, err := c.do(ctx, http.MethodPost, "/api/alarms", nil, order)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	return answer, json.NewDecoder(response.Body).Decode(&answer)
}
