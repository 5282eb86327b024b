package client

import (
	"context"

	"releve/screen/view"
)

// VerifyMirror proves the mirror and shows how far that is. What is found wrong is in what
// is shown last, and is no error.
func (c *Client) VerifyMirror(ctx context.Context, show func(view.Procedure)) error {
	return c.follow(ctx, "/api/mirror/verify", nil, nil, show)
}
