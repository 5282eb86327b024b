package model

// perform does to the world what a job does when it succeeds, and says whether it can.
func (w *walk) perform(s *state, i int, j work) bool {
	v, o := &s.servers[i], &s.servers[1-i]
	switch j.job {
	case create:
		v.disk, v.data, v.timeline, v.log = ours, w.unused(s), 1, rows{}
	case start:
		return w.start(s, i, j.writable)
	case open:
		if v.postgres != primary {
			return false
		}
		// What was recovered can be read from now on, and is acted upon (R7).
		v.store, v.lone = true, j.lone
		w.read(s, v)
	case barrier, lone:
		if !v.store || v.postgres != primary {
			return false
		}
		v.lone = j.job == lone || w.variant.leaks
	case promote:
		if v.postgres != isolated && v.postgres != follower {
			return false
		}
		v.postgres, v.reported = primary, 0
		v.timeline++
	case retire:
		// A fast stop waits until a connected mirror has everything.
		if s.streaming(1 - i) {
			o.log = v.log
		}
		v.postgres, v.store, v.lone, v.reported = down, false, false, 0
	case rejoin, renew:
		return w.copy(s, i)
	case rest:
		if v.postgres == down {
			return false
		}
		v.postgres = isolated
	case follow:
		if v.postgres != isolated {
			return false
		}
		v.postgres = follower
	case restore:
		return w.restore(s, i)
	}
	return true
}

// read: what a PostgreSQL recovered is read when its store is opened, and acted upon
// (R7). At level mirroring a row that no mirror confirmed is not promised.
func (w *walk) read(s *state, v *server) {
	if !w.oneVoice() {
		s.acked |= v.log.mask()
	}
}

func (w *walk) start(s *state, i int, writable bool) bool {
	v := &s.servers[i]
	if v.disk != ours {
		return false
	}
	v.postgres, v.reported = isolated, 0
	if writable {
		v.postgres = primary
	}
	if writable && v.store { // sessions of before find it by themselves, and read
		w.read(s, v)
	}
	return true
}

// restore makes the owner's data what its mirror's is (M5).
func (w *walk) restore(s *state, i int) bool {
	v, o := &s.servers[i], &s.servers[1-i]
	if !s.link || o.postgres != isolated && o.postgres != follower {
		return false
	}
	v.disk, v.data, v.timeline, v.log, v.postgres = ours, w.unused(s), o.timeline, o.log, isolated
	return true
}

// copy makes this server's data what the other's is, under a new data id.
func (w *walk) copy(s *state, i int) bool {
	v, o := &s.servers[i], &s.servers[1-i]
	if !s.link || o.postgres != primary {
		return false
	}
	data := w.unused(s)
	v.disk, v.data, v.timeline, v.postgres, v.aged, v.torn = ours, data, o.timeline, isolated, false, false
	if !w.variant.keepsOwnRows || v.log.n == 0 {
		v.log = o.log
	}
	return true
}

// interrupted are the ways in which a crash can find the disk while a job runs.
func (w *walk) interrupted(s state, i int) []state {
	all := []state{s}
	j := s.servers[i].work
	switch j.job {
	case rejoin, restore:
		half := s
		half.servers[i].disk = unusable
		all = append(all, half)
		fallthrough
	case create, promote, renew:
		if done := s; w.perform(&done, i, j) {
			all = append(all, done)
		}
	}
	return all
}
