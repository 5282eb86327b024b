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

// InstallLicence has the server keep a licence, or with a dry run say what would come of it.
func (c *Client) InstallLicence(ctx context.Context, file []byte, how view.Installing) (answer view.Installed, err error) {
	query := url.Values{"dry-run": {strconv.FormatBool(how.DryRun)}, "without-study": {how.WithoutStudy}}
	return answer, c.hand(ctx, "/api/licences", query, file, &answer)
}

// AdoptStudy has the server keep a study, or with dryRun say what would come of it.
func (c *Client) AdoptStudy(ctx context.Context, file []byte, dryRun bool) (answer view.Adoption, err error) {
	return answer, c.hand(ctx, "/api/study", url.Values{"dry-run": {strconv.FormatBool(dryRun)}}, file, &answer)
}

// hand hands a file to the server, and reads its answer.
func (c *Client) hand(ctx context.Context, path string, query url.Values, file []byte, answer any) error {
	response, err := c.do(ctx, http.MethodPost, path, query, file)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	return json.NewDecoder(response.Body).Decode(answer)
}
