package cli_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"releve/config"
)

// login SEAT NAME PASSWORD…: somebody logs in on that server's page, and keeps the session.
func (s *scene) login(args []string) error {
	response, page, err := s.send(args[0], "/login", url.Values{"name": {args[1]}, "password": {strings.Join(args[2:], " ")}})
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSeeOther || len(response.Cookies()) != 1 {
		return fmt.Errorf("%s is not logged in: %s\n%s", args[1], response.Status, page)
	}
	s.session = response.Cookies()[0]
	return nil
}

// orders SEAT ACT ALARM STATUS REMARK…: who is logged in orders something about an alarm on that server's page.
func (s *scene) orders(args []string) error {
	form := url.Values{"act": {args[1]}, "alarm": {args[2]}, "remark": {strings.Join(args[4:], " ")}}
	response, page, err := s.send(args[0], "/alarms", form)
	if err != nil {
		return err
	}
	if got := fmt.Sprint(response.StatusCode); got != args[3] {
		return fmt.Errorf("%s %s at the %s server: %s\n%s", args[1], args[2], args[0], response.Status, page)
	}
	return nil
}

// send sends a form to a server's page, as a browser of that server's host would.
func (s *scene) send(seat, path string, form url.Values) (*http.Response, string, error) {
	conf, mistakes := config.Load(s.config(seat))
	if len(mistakes) > 0 {
		return nil, "", fmt.Errorf("%v", mistakes)
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+conf.Console.Listen+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	if s.session != nil {
		request.AddCookie(s.session)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} // the server made its certificate itself
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	return response, string(page), err
}
