package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"releve/screen/view"
)

// Licences are the site's, as this server knows them.
func (c *Client) Licences(ctx context.Context) (l view.Licences, err error) {
	return l, c.get(ctx, "/api/licences", nil, &l)
}

// InstallLicence has the server keep a licence, or with dryRun say what would come of it.
func (c *Client) InstallLicence(ctx context.Context, file []byte, dryRun bool) (answer view.Installed, err error) {
	response, err := c.do(ctx, http.MethodPost, "/api/licences", url.Values{"dry-run": {strconv.FormatBool(dryRun)}}, file)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	return answer, json.NewDecoder(response.Body).Decode(&answer)
}
