package client

import (
	"context"
	"encoding/json"
	"net/http"

	"releve/screen/view"
)

// Accounts are those who may log in.
func (c *Client) Accounts(ctx context.Context) (all []view.Account, err error) {
	return all, c.get(ctx, "/api/accounts", nil, &all)
}

// ChangeAccount has something done to an account. Why it is refused stands in the answer.
func (c *Client) ChangeAccount(ctx context.Context, o view.AccountOrder) (answer view.AccountChanged, err error) {
	order, err := json.Marshal(o)
	if err != nil {
		return answer, err
	}
	response, err := c.do(ctx, http.MethodPost, "/api/accounts", nil, order)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	return answer, json.NewDecoder(response.Body).Decode(&answer)
}
