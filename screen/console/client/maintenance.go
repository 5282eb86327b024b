package client

import (
	"context"
	"encoding/json"
	"net/http"

	"releve/screen/view"
)

// Maintain has the maintenance of a place begin or end. Why it is refused stands in the answer.
func (c *Client) Maintain(ctx context.Context, w view.Work) (answer view.Worked, err error) {
	order, err := json.Marshal(w)
	if err != nil {
		return answer, err
	}
	response, err := c.do(ctx, http.MethodPost, "/api/maintenance", nil, order)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	return answer, json.NewDecoder(response.Body).Decode(&answer)
}
