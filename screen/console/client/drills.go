package client

import (
	"context"
	"net/url"
	"strconv"

	"releve/screen/view"
)

// Drills are what the site has tried of its takeover.
func (c *Client) Drills(ctx context.Context) (d view.Drills, err error) {
	return d, c.get(ctx, "/api/drills", nil, &d)
}

// Drill has the site make a drill, by the order of whoever is named, and shows how far it is.
func (c *Client) Drill(ctx context.Context, by string, dryRun bool, show func(view.Procedure)) error {
	return c.follow(ctx, "/api/drills", url.Values{"by": {by}, "dry-run": {strconv.FormatBool(dryRun)}}, nil, show)
}
