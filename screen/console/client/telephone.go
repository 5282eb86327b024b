package client

import (
	"context"

	"releve/screen/view"
)

// CheckCalls checks the PBX by a call and shows how far that is. What is found wrong is in
// what is shown last, and is no error.
func (c *Client) CheckCalls(ctx context.Context, show func(view.Procedure)) error {
	return c.follow(ctx, "/api/calls/check", nil, nil, show)
}
