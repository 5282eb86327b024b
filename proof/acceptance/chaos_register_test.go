package acceptance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"releve"
)

// register is a table whose rows are each written and read by several clients at
// once. Each client takes any PostgreSQL that is no mirror, whatever the servers say
// of themselves, and records what it was told and when: two servers that commit, or a
// commit that is lost, cannot be told as one row that changes in one order.
//
// Its sessions are not the product's: they never commit alone, so while the owner has
// no mirror they learn nothing and their outcomes are unknown.
type register struct {
	seed    uint64
	servers []*server
	began   time.Time
	stop    context.CancelFunc
	clients sync.WaitGroup

	mu  sync.Mutex
	ops []operation
}

// registerRows is how many rows there are: fewer meet more often, more wait less for
// each other's commit.
const registerRows = 4

// registerPatience is how long a client waits for an answer before it counts the
// outcome as unknown.
const registerPatience = 1500 * time.Millisecond

// operation is one transaction on one row: a value written, or read together with a
// change of its own, since seeing a row proves nothing before a later commit (R7).
type operation struct {
	key, value string
	write      bool
	call, end  time.Duration // since the register was opened
	known      bool          // COMMIT was answered, and without a warning
	by         releve.Seat
	term       releve.Term // the database's own, read in the same transaction
}

func (o operation) String() string {
	what := "reads"
	if o.write {
		what = "writes"
	}
	told := "and is not answered"
	if o.known {
		told = fmt.Sprintf("answered at %v", o.end.Round(time.Millisecond))
	}
	return fmt.Sprintf("%v %s %s %q at the %s server in term %d, %s", o.call.Round(time.Millisecond), what, o.key, o.value, o.by, o.term, told)
}

// createRegister makes the table, on a server that is on duty with its mirror in sync.
func createRegister(active *server) error {
	_, err := active.query("create table if not exists acceptance_register (key text primary key, value text not null, touched bigint not null)")
	return err
}

// openRegister starts the clients on rows of their own.
func openRegister(seed uint64, servers ...*server) *register {
	ctx, stop := context.WithCancel(context.Background())
	r := &register{seed: seed, servers: servers, began: time.Now(), stop: stop}
	for i := range servers {
		r.clients.Go(func() {
			c := client{register: r, at: i, draw: rand.New(rand.NewPCG(seed, uint64(i)))}
			c.run(ctx)
		})
	}
	return r
}

// close ends the clients and gives what they recorded.
func (r *register) close() []operation {
	r.stop()
	r.clients.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ops
}

func (r *register) keep(o operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, o)
}

// client is one of the register's clients, with one session at a time.
type client struct {
	register *register
	draw     *rand.Rand
	at       int // which server it tries, or is connected to
	db       *pgx.Conn
	warned   bool // the last COMMIT came with a warning
	writes   int
}

// run does ten operations a second at most.
func (c *client) run(ctx context.Context) {
	defer c.leave()
	next := time.NewTicker(100 * time.Millisecond)
	defer next.Stop()
	for ctx.Err() == nil {
		if c.join(ctx) {
			c.operate()
		}
		select {
		case <-next.C:
		case <-ctx.Done():
		}
	}
}

// join has a session with a PostgreSQL that is no mirror, or goes to the next server.
func (c *client) join(ctx context.Context) bool {
	if c.db != nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, registerPatience)
	defer cancel()
	err := c.connect(ctx)
	mirror := true
	if err == nil {
		err = c.db.QueryRow(ctx, "select pg_is_in_recovery()").Scan(&mirror)
	}
	if err != nil || mirror {
		c.leave()
		c.at = (c.at + 1) % len(c.register.servers)
		return false
	}
	return true
}

func (c *client) connect(ctx context.Context) error {
	where, err := c.register.servers[c.at].databaseSocket()
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(where)
	if err != nil {
		return err
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { c.warned = c.warned || n.Code == "01000" }
	c.db, err = pgx.ConnectConfig(ctx, config)
	return err
}

func (c *client) leave() {
	if c.db == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), registerPatience)
	defer cancel()
	_ = c.db.Close(ctx) // its server may be dead
	<-c.db.PgConn().CleanupDone()
	c.db = nil
}

// operate does one operation and keeps it, unless it is certain that it did not happen.
func (c *client) operate() {
	o := operation{key: fmt.Sprintf("%d/%d", c.register.seed, c.draw.IntN(registerRows)), by: c.register.servers[c.at].seat}
	if o.write = c.draw.IntN(2) == 0; o.write {
		c.writes++
		o.value = fmt.Sprintf("%s%d-%d", o.by, c.at, c.writes)
	}
	o.call = time.Since(c.register.began)
	sent, err := c.transact(&o)
	o.end, o.known = time.Since(c.register.began), err == nil && !c.warned
	if sent && !refused(err) {
		c.register.keep(o)
	}
	if err != nil {
		c.leave()
	}
}

// refused says that PostgreSQL answered COMMIT with a rollback.
func refused(err error) bool {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && answer.SeverityUnlocalized == "ERROR"
}

// transact runs one transaction. COMMIT was sent: without it nothing has happened.
func (c *client) transact(o *operation) (sent bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), registerPatience)
	defer cancel()
	c.warned = false
	if _, err := c.db.Exec(ctx, "begin"); err != nil {
		return false, err
	}
	sql := `insert into acceptance_register as r values ($1, '', 1)
		on conflict (key) do update set touched = r.touched + 1 returning value`
	args := []any{o.key}
	if o.write {
		sql = `insert into acceptance_register values ($1, $2, 0)
			on conflict (key) do update set value = excluded.value returning value`
		args = append(args, o.value)
	}
	if err := c.db.QueryRow(ctx, sql, args...).Scan(&o.value); err != nil {
		return false, err
	}
	if err := c.db.QueryRow(ctx, "select max(term) from promotion").Scan(&o.term); err != nil {
		return false, err
	}
	_, err = c.db.Exec(ctx, "commit")
	return true, err
}

// registerModel is one row that holds the last value written to it, "" at first.
var registerModel = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		if o := input.(operation); o.write {
			return true, o.value
		}
		return output == state, state
	},
	Equal: func(a, b any) bool { return a == b },
}

// history is what the model is asked about: all operations whose outcome is known,
// and writes of unknown outcome whose value somebody read, which may have taken effect
// at any time since. One that nobody read may as well never have happened.
func history(ops []operation) []porcupine.Operation {
	read := map[string]bool{}
	for _, o := range ops {
		read[o.value] = read[o.value] || o.known && !o.write
	}
	var found []porcupine.Operation
	for i, o := range ops {
		end := int64(o.end)
		if !o.known {
			if !o.write || !read[o.value] {
				continue
			}
			end = math.MaxInt64
		}
		found = append(found, porcupine.Operation{ClientId: i, Input: o, Output: o.value, Call: int64(o.call), Return: end})
	}
	return found
}

// byRow parts operations by their row: rows know nothing of each other.
func byRow(ops []operation) map[string][]operation {
	rows := map[string][]operation{}
	for _, o := range ops {
		rows[o.key] = append(rows[o.key], o)
	}
	return rows
}

// registerFindings are what a register's history tells against the site, and how
// often two servers were seen to commit.
type registerFindings struct {
	known, unknown int
	double         []string // commits by who was not on duty any more
	wrong          []string // rows that no single order of operations explains
}

// judge looks for both. promotions are who was on duty in each term.
func judge(ops []operation, promotions []promotion) registerFindings {
	var f registerFindings
	ops = slices.Clone(ops)
	for i, o := range ops {
		if !o.known {
			f.unknown++
			continue
		}
		f.known++
		var ok bool
		if ops[i].term, ok = termOf(o, promotions); !ok {
			f.double = append(f.double, fmt.Sprintf("the term was the other server's: %v", o))
		}
	}
	for _, o := range ops {
		if later, ok := overtaken(o, ops); ok && o.known {
			f.double = append(f.double, fmt.Sprintf("%v; before it began: %v", o, later))
		}
	}
	for key, row := range byRow(ops) {
		if porcupine.CheckOperationsTimeout(registerModel, history(row), 10*time.Second) != porcupine.Ok {
			f.wrong = append(f.wrong, fmt.Sprintf("row %s:\n%s", key, describeRow(row)))
		}
	}
	return f
}

// termOf is the term in which an operation was committed. PostgreSQL takes writes as soon
// as it is promoted, a moment before the first commit of its term, which then waits for the
// mirror like every other: until there is a row for it, the newest term is the one before.
func termOf(o operation, promotions []promotion) (term releve.Term, ok bool) {
	for i, p := range promotions {
		switch {
		case p.term != o.term:
		case p.seat == o.by:
			return o.term, true
		case i+1 < len(promotions) && promotions[i+1].seat == o.by:
			return promotions[i+1].term, true
		}
	}
	return o.term, false
}

// overtaken finds an operation of a later term that was answered before this one began.
func overtaken(o operation, ops []operation) (operation, bool) {
	i := slices.IndexFunc(ops, func(p operation) bool { return p.known && p.term > o.term && p.end < o.call })
	if i < 0 {
		return operation{}, false
	}
	return ops[i], true
}

func describeRow(row []operation) string {
	sorted := slices.SortedFunc(slices.Values(row), func(a, b operation) int { return int(a.call - b.call) })
	var lines []string
	for _, o := range sorted {
		lines = append(lines, "    "+o.String())
	}
	return strings.Join(lines, "\n")
}

// The judge of the register is judged: histories that are right and histories that
// are not.
func TestTheHarnessSeesARegisterThatTwoServersWrite(t *testing.T) {
	at := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	write := func(value string, call, end int) operation {
		return operation{key: "k", value: value, write: true, call: at(call), end: at(end), known: true, by: releve.Main, term: 1}
	}
	read := func(value string, call, end int) operation {
		o := write(value, call, end)
		o.write = false
		return o
	}
	unknown := func(o operation) operation { o.known = false; return o }
	in := func(term releve.Term, by releve.Seat, o operation) operation { o.term, o.by = term, by; return o }
	promotions := []promotion{{term: 1, seat: releve.Main}, {term: 2, seat: releve.Secondary}, {term: 3, seat: releve.Secondary}}
	for name, story := range map[string]struct {
		ops           []operation
		wrong, double bool
	}{
		"one after the other":                 {ops: []operation{write("a", 0, 1), read("a", 2, 3), write("b", 4, 5), read("b", 6, 7)}},
		"a lost write":                        {ops: []operation{write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)}, wrong: true},
		"a value that nobody wrote":           {ops: []operation{read("a", 0, 1)}, wrong: true},
		"an unknown write that is read later": {ops: []operation{unknown(write("a", 0, 1)), read("", 2, 3), read("a", 4, 5)}},
		"an unknown write that goes away":     {ops: []operation{unknown(write("a", 0, 1)), read("a", 2, 3), read("", 4, 5)}, wrong: true},
		"an unknown write that nobody read":   {ops: []operation{unknown(write("a", 0, 1)), read("", 2, 3)}},
		"the old main commits once more":      {ops: []operation{in(2, releve.Secondary, write("a", 0, 1)), write("b", 2, 3)}, double: true},
		"the main commits in the secondary's": {ops: []operation{in(2, releve.Main, write("a", 0, 1))}, double: true},
		"the first of a term, early":          {ops: []operation{in(1, releve.Secondary, write("a", 0, 1)), in(2, releve.Secondary, read("a", 2, 3))}},
		"the old main after such a one":       {ops: []operation{in(1, releve.Secondary, write("a", 0, 1)), write("b", 2, 3)}, double: true},
		"a takeover":                          {ops: []operation{write("a", 0, 1), in(2, releve.Secondary, read("a", 2, 3))}},
	} {
		found := judge(story.ops, promotions)
		if wrong, double := len(found.wrong) > 0, len(found.double) > 0; wrong != story.wrong || double != story.double {
			t.Errorf("%s: judged wrong %v and double duty %v, want %v and %v", name, wrong, double, story.wrong, story.double)
		}
	}
}
