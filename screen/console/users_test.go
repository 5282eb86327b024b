package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"releve/screen/view"
)

func order(pairs ...string) url.Values {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

func (h *house) user(name string) (found view.Account) {
	for _, a := range h.keeper.Accounts() {
		if a.Name == name {
			found = a
		}
	}
	return found
}

// An administrator does on the page what `releve user` does on the machine.
func TestAdministratorsSayWhoMayLogIn(t *testing.T) {
	h, _ := newArchive(t)
	ada := h.in("ada")
	does := func(form url.Values) string {
		t.Helper()
		response, page := h.post(ada, "/users?lang=en", form)
		if response.StatusCode == http.StatusSeeOther {
			_, page = h.get(ada, response.Header.Get("Location")+"&lang=en")
		} else if response.StatusCode != http.StatusOK {
			t.Fatalf("%v: %s", form, response.Status)
		}
		return page
	}
	for _, c := range []struct {
		form url.Values
		says string
		is   view.Account
	}{
		{order("act", "add", "name", "bruno", "role", "operator", "password", good), "bruno may log in.", view.Account{Name: "bruno", Role: "operator"}},
		{order("act", "role", "name", "bruno", "role", "keeper"), "bruno has another role.", view.Account{Name: "bruno", Role: "keeper"}},
		{order("act", "codes", "name", "bruno"), "otpauth://totp/", view.Account{Name: "bruno", Role: "keeper", Codes: true}},
		{order("act", "no-codes", "name", "bruno"), "asked for one-time codes no more", view.Account{Name: "bruno", Role: "keeper"}},
		{order("act", "password", "name", "bruno", "password", good+"!"), "bruno has another password.", view.Account{Name: "bruno", Role: "keeper"}},
	} {
		if page := does(c.form); !strings.Contains(page, c.says) || strings.Contains(page, good) {
			t.Errorf("%v does not say %q, or shows the password", c.form, c.says)
		}
		if got := h.user("bruno"); got != c.is {
			t.Errorf("%v: it is %+v", c.form, got)
		}
	}
	if response := h.login(reader(t), "bruno", good+"!"); response.StatusCode != http.StatusSeeOther {
		t.Errorf("bruno with the new password: %s", response.Status)
	}
	if _, page := h.get(ada, "/users"); strings.Contains(page, "otpauth") {
		t.Error("the secret is shown a second time")
	}
	if does(order("act", "remove", "name", "bruno", "sure", "on")); h.user("bruno").Name != "" {
		t.Error("bruno is still there")
	}
	if got := h.acted("event-user-role"); len(got) != 1 || got[0].Evidence[0].Args["by"] != "ada" {
		t.Errorf("the audit has %+v", got)
	}
}

// What is refused names the field, keeps what was typed but for passwords, and changes nothing.
func TestARefusedAccountNamesTheField(t *testing.T) {
	h, _ := newArchive(t)
	ada := h.in("ada")
	before := len(h.keeper.Accounts())
	for _, c := range []struct {
		form        url.Values
		field, says string
	}{
		{order("act", "add", "name", "Bruno <b>", "role", "operator", "password", good), `id="name"`, "cannot be a name"},
		{order("act", "add", "name", "anna", "role", "operator", "password", good), `id="name"`, "There is an account anna already"},
		{order("act", "add", "name", "bruno", "role", "king", "password", good), `id="role"`, "There is no role king"},
		{order("act", "add", "name", "bruno", "role", "operator", "password", "short"), `id="password"`, "too short"},
		{order("act", "password", "name", "anna", "password", "annaannaannaanna"), `id="password-`, "contains the name anna"},
		{order("act", "role", "name", "nobody", "role", "keeper"), "", "There is no account nobody"},
		{order("act", "no-codes", "name", "anna"), "", "is asked for no one-time codes"},
		{order("act", "crown", "name", "anna"), "", "This is nothing that is done to an account"},
	} {
		response, page := h.post(ada, "/users?lang=en", c.form)
		if response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, c.says) {
			t.Errorf("%v: %s, without %q", c.form, response.Status, c.says)
		}
		marked := false
		for _, tag := range strings.Split(page, "<") {
			marked = marked || strings.Contains(tag, `aria-invalid="true"`) && strings.Contains(tag, c.field)
		}
		if c.field != "" && !marked {
			t.Errorf("%v: the field is not marked", c.form)
		}
		if strings.Contains(page, "<b>") || strings.Contains(page, `value="`+good) {
			t.Errorf("%v: it shows what it must not", c.form)
		}
	}
	if len(h.keeper.Accounts()) != before {
		t.Errorf("there are %+v", h.keeper.Accounts())
	}
}

// Whoever is no administrator sees no accounts and changes none, and the audit says that he tried.
func TestAccountsAreForAdministrators(t *testing.T) {
	h, _ := newArchive(t)
	for _, name := range []string{"anna", "alois", "wanda"} {
		c := h.in(name)
		if response, page := h.get(c, "/users"); response.StatusCode != http.StatusForbidden || strings.Contains(page, "alois") && name != "alois" {
			t.Errorf("%s sees the accounts: %s", name, response.Status)
		}
		if response, _ := h.post(c, "/users", order("act", "role", "name", name, "role", "administrator")); response.StatusCode != http.StatusForbidden || h.user(name).Role == "administrator" {
			t.Errorf("%s makes himself an administrator: %s", name, response.Status)
		}
	}
	if got := h.acted("event-denied"); len(got) != 3 {
		t.Errorf("the audit has %d lines", len(got))
	}
}

func TestSomebodyGivesHimselfAnotherPassword(t *testing.T) {
	h, _ := newArchive(t)
	anna := h.in("anna")
	for _, c := range []struct {
		form  url.Values
		field string
		says  string
	}{
		{order("current", "wrong one", "password", good+"!", "again", good+"!"), `id="current"`, "not the password that you have"},
		{order("current", good, "password", good+"!", "again", good+"?"), `id="password"`, "not typed twice alike"},
		{order("current", good, "password", "short", "again", "short"), `id="password"`, "too short"},
	} {
		response, page := h.post(anna, "/own?lang=en", c.form)
		field, _, _ := strings.Cut(page[strings.Index(page, c.field):], ">")
		if response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, c.says) || !strings.Contains(field, "aria-invalid") {
			t.Errorf("%v: %s, without %q", c.form, response.Status, c.says)
		}
	}
	if response, _ := h.post(anna, "/own", order("current", good, "password", good+"!", "again", good+"!")); response.Header.Get("Location") != "/own?done=password" {
		t.Errorf("%s", response.Status)
	}
	if response := h.login(reader(t), "anna", good+"!"); response.StatusCode != http.StatusSeeOther {
		t.Errorf("with the new password: %s", response.Status)
	}
}
