package client

import (
	"context"
	"net/url"
	"strconv"

	"releve/screen/view"
)

// TestOutlets has the server send a test by one of its outlets, or by all where none is named. Why it is
// refused stands in the answer.
func (c *Client) TestOutlets(ctx context.Context, outlet string, dryRun bool) (answer view.OutletTests, err error) {
	return answer, c.post(ctx, "/api/outlets/test", url.Values{"outlet": {outlet}, "dry-run": {strconv.FormatBool(dryRun)}}, &answer)
}
