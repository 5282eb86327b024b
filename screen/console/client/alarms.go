package client

import (
	"context"
	"encoding/json"
	"net/http"

	"releve/screen/view"
)

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
