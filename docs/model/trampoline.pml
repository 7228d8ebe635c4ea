/* How greenlets that wait for one 0MQ socket are woken: a model of zmq/core/waiting/trampoline.pyx, and of what calls it in
   sockets/wait_and_retry.pyx and polling/readiness.pyx. The invariants I1 to I11 are those at the top of trampoline.pyx.

   `make model` has SPIN search every state. README.md says what is modelled, what is left out, and what the mistakes
   do that can be switched on here. Names are those of the sources; "= name" says which function a part stands for.
   It is one file because SPIN takes one, and because nothing of it means anything without the rest.

   What is simplified, and why nothing is lost by it
   -------------------------------------------------
   Steps. Greenlets switch only where they park, so nothing but the I/O thread can come between two steps of one. What
   the trampoline does between two calls of libzmq the I/O thread neither sees nor changes: that is one step. A call of
   libzmq is several: the bell is stilled, the mailbox emptied, the pipe looked at.

   Time. There is none. A time-out, a kill, a close, a new call may come whenever the hub could run it, and a throttled
   send may find any time over or not. So every order of events is searched that a clock could bring about, and more.

   The end of a run. There is none either: the I/O thread and the greenlets may go on for ever, or stop anywhere. What
   must hold at rest is therefore asked in every state in which nothing moves of necessity.

   Messages. They are counted and not told apart. A pipe keeps their order, so that none is lost, comes twice or overtakes
   if calls take one at a time and return it before another is taken. The pipe from the peer holds two, because one
   bell may stand for several; that to the peer holds one, so that it is full after a send.

   Hubs. With HUBS 2 greenlets with an even number wait in one hub, the others in another. Both are run by one thread (but
   see Threads), by turns, so that the second is not there for what the first one meets in between, and other threads do
   just one thing: they close the socket. A hub that was closed, or lost its thread, is one that stops; another one takes
   its place when it runs again. Who was given up goes on with an error, as a task does whose future is cancelled.

   Threads. With THREADS each of the two hubs is run by a thread of its own, and changes to the thread of the other one when
   it runs again, if that hub has stopped. Hub.thread is where it was last seen to run, which may be long ago. What one
   thread puts on the list of a hub that another one runs is not heard of until that hub wakes for something else.
   A thread that is refused has touched nothing, and threads that are not refused use the socket one after the other,
   as the program has to see to.

   Turns. With DEFERS any turn of a hub may have used up its budget when somebody is woken in it, who joins a queue then.
   In the hub one turn serves several of the queue; here it is one, and anything may come between two of them.

   Callbacks. The callback of a turn that is over finds that out and does nothing (Waiter.resume); here it is taken off
   the hub's list when the turn ends. */

/* Who is there: 2 to 4 greenlets. */
#ifndef CALLERS
#define CALLERS 3       /* 1 to 3 that send or receive */
#endif
#ifndef SENDERS
#define SENDERS 1       /* of these send, the others receive */
#endif
#ifndef POLLERS
#define POLLERS 1       /* 0 or 1 that calls Socket.poll(POLLIN) and leaves the message where it is */
#endif
#ifndef SETS
#define SETS 0          /* 0 to 2 that call Poller.poll, each on a Poller of its own, for POLLIN */
#endif
#ifdef FEW
#define few(s) (s == 0) /* the first of these Pollers has few sockets, and watches the descriptor itself */
#else
#define few(s) false    /* all have many, and an epoll set */
#endif
#if CALLERS + POLLERS + SETS < 2 || CALLERS + POLLERS + SETS > 4
#error "2 to 4 greenlets"
#endif

#ifndef HUBS
#define HUBS 1          /* 2: greenlets wait in two hubs, which stop and end */
#endif

#if defined(THREADS) && HUBS < 2
#error "a thread for each hub"
#endif

#if HUBS > 1 && SETS > 0
#error "poll sets wait in one hub"
#endif

#ifdef DEFERS           /* who is woken may have to wait for a later turn of the hub */
#define CHOICE atomic
#else
#define CHOICE d_step
#endif
#define ROOM 1          /* high-water mark of the pipe to the peer */
#define BACKLOG 2       /* messages that the pipe from the peer holds: one bell may stand for two */

/* Whose turn it is to run: a greenlet, by number, or one of these. */
#define POLLER CALLERS
#define SET(s) (CALLERS + POLLERS + s)
#define GREENLETS (CALLERS + POLLERS + SETS)
#define HUB 8           /* the hub, between two callbacks */
#define CALLBACK 9      /* the hub, in one */
#define NOBODY 10

/* Waiter.state */
#define OUTSIDE 0       /* does not wait */
#define PARKED 1
#define CHOSEN 2
#define EXPIRED 3
#define CLOSED 4

/* What an attempt says. */
#define DONE 0
#define AGAIN 1         /* EAGAIN */
#define TERM 2          /* ETERM */


/* libzmq: the mailbox (mailbox_t, signaler_t)
   -------------------------------------------
   A command rings the bell only if it finds the mailbox asleep. Nobody sees a command before the bell has rung for it,
   so to put it there and to ring is one step. The reader stills the bell, then takes commands until there are none,
   and that puts the mailbox to sleep: two steps. A command that comes between them does not ring, and is taken too. */

bool asleep = true;
bool bell;              /* the descriptor is readable */

/* The commands in the mailbox. */
bool activate_read;     /* the pipe from the peer has something to read */
byte activate_write;    /* the peer took so many messages */
bool stop;              /* the context is being terminated */

#if SETS > 0
/* An epoll set remembers that a bell rang, once; it is readable while it does and the bell still rings. */
bool edge[SETS];
#endif

inline ring() {
	if
	:: asleep ->
		asleep = false;
		bell = true;
		printf("the bell rings\n");
#if SETS > 0
		edge[0] = true;
#endif
#if SETS > 1
		edge[1] = true;
#endif
	:: else
	fi
}


/* libzmq: the pipes (pipe_t, ypipe_t)
   -----------------------------------
   The pipe from the peer has an edge of its own: activate_read is sent only if the reader found the pipe empty
   (ypipe_t::flush), and until it has processed that command the reader does not look again (pipe_t::_in_active). */

bool in_active = true;
byte incoming;          /* messages in it */
byte room = ROOM;       /* as far as the socket knows */
byte outgoing;          /* sent, and not yet taken by the peer */
bool terminated;        /* socket_base_t::_ctx_terminated */

byte in_hand;           /* messages that were taken and that no call has returned yet */

/* = socket_base_t::process_commands, when it is not throttled */
inline process_commands() {
	if
	:: d_step { bell -> bell = false; printf("<%d> stills the bell\n", running) };
		d_step {
			if
			:: activate_read -> activate_read = false; in_active = true
			:: else
			fi;
			room = room + activate_write;
			activate_write = 0;
			if
			:: stop -> stop = false; terminated = true
			:: else
			fi;
			asleep = true
		}
	:: else
	fi
}

/* = fq_t::recvpipe, pipe_t::read */
inline take() {
	d_step {
		if
		:: terminated -> err = TERM
		:: else ->
			if
			:: in_active && incoming > 0 -> incoming--; in_hand++; err = DONE; printf("<%d> receives\n", running)
			:: else -> in_active = false; err = AGAIN; printf("<%d> finds no message\n", running)
			fi
		fi
	}
}

/* = try_recv. It processes commands now and then (inbound_poll_rate), and always before it says EAGAIN. */
inline try_recv() {
	if
	:: process_commands()
	:: skip
	fi;
	take();
	if
	:: err == AGAIN -> process_commands(); take()
	:: else
	fi
}

/* = try_send. It processes commands only if the last time is a millisecond ago (max_command_delay). */
inline try_send() {
	if
	:: process_commands()
	:: skip
	fi;
	d_step {
		if
		:: terminated -> err = TERM
		:: else ->
			if
			:: room > 0 -> room--; outgoing++; err = DONE; printf("<%d> sends\n", running)
			:: else -> err = AGAIN; printf("<%d> finds no room\n", running)
			fi
		fi
	}
}

/* = Trampoline.read_events, into `in` and `out`. An error counts as all events. */
inline read_events() {
	process_commands();
	d_step {
		if
		:: terminated -> in = true; out = true
		:: else ->
			if
			:: in_active && incoming > 0 -> in = true
			:: else -> in_active = false
			fi;
#ifdef POLLOUT_LIES
			out = true
#else
			out = (room > 0)
#endif
		fi;
		printf("<%d> reads EVENTS: POLLIN %d, POLLOUT %d\n", running, in, out)
	}
}

/* The I/O thread. It runs whenever it likes. */
active proctype io() {
end:
	do
	:: d_step { incoming < BACKLOG ->
			printf("a message comes\n");
			incoming++;
			if
			:: !in_active && !activate_read -> activate_read = true; ring()
			:: else
			fi
		}
	:: d_step { outgoing > 0 ->
			printf("the peer takes a message\n");
			outgoing--;
			activate_write++;
			ring()
		}
#ifndef ENDLESS
	:: d_step { !stop && !terminated -> printf("the context ends\n"); stop = true; ring() }
#endif
	od
}


/* The hub, and what the trampoline knows
   -------------------------------------- */

byte running = HUB;
chan soon[HUBS] = [8] of { byte };  /* call_soon(waiter.take_turn) */
#ifdef DEFERS
chan deferred[HUBS] = [8] of { byte };  /* Hub.deferred */
bool serving[HUBS];             /* Hub.serve_timer */
#define is_serving(h) serving[h]
#else
#define is_serving(h) false
#endif
bool armed;                     /* the watcher on the descriptor, level-triggered */

#if HUBS > 1
bool runs[HUBS] = true;         /* Hub.is_running */
byte home;                      /* Trampoline.hub, while anybody is parked; else 0 */
byte watched_hub = NOBODY;      /* Trampoline.watched_hub: where it is armed; NOBODY where it is not */
bool closing;                   /* Trampoline.closing: another thread has closed it for everybody but libzmq */
bool told;                      /* call_soon_threadsafe(close_here) */
bool given_up[GREENLETS];       /* Hub.give_up: its future was cancelled */
#define hub_of(g) (g & 1)
#ifdef THREADS
byte runner[HUBS];              /* the thread that runs it, or ran it last */
byte noted[HUBS];               /* Hub.thread */
bool unheard_of[HUBS];          /* another thread has put something on its list, and it sleeps */
/* = Trampoline.enter, Hub.is_in: the waiters' hub runs, in another thread than that of this greenlet. */
#if defined(NOT_ENTERED)
#define is_elsewhere(g) false
#elif defined(NOTED_ALONE)
#define is_elsewhere(g) (parked > 0 && noted[home] != runner[hub_of(g)] && runs[home] && runner[home] != runner[hub_of(g)])
#else
#define is_elsewhere(g) (parked > 0 && runs[home] && runner[home] != runner[hub_of(g)])
#endif
#define wakes(h) unheard_of[h] = false
#define is_heard(h) (unheard_of[h] == false)
#else
#define wakes(h) skip
#define is_heard(h) true
#endif
#define runs_in(h) runs[h]
#define is_gone (closed || closing)
#define is_left(g) given_up[g]
#else
#define home 0
#define watched_hub 0
#define closing false
#define hub_of(g) 0
#define runs_in(h) true
#define wakes(h) skip
#define is_heard(h) true
#define is_gone closed
#define is_left(g) false
#endif

#ifdef THREADS
/* = Hub.is_in: their hub runs in this thread by now. */
inline note(g) {
	if
	:: parked > 0 && runs[home] && runner[home] == runner[hub_of(g)] -> noted[home] = runner[home]
	:: else
	fi
}
#endif

byte state[GREENLETS];
bool inside[GREENLETS];         /* switched out */
bool thrown[GREENLETS];         /* something was thrown into it: a time-out of the framework, a kill */

bool unheard;                   /* Handover.unheard: somebody parked without an attempt */
bool looking[HUBS];             /* call_soon(on_unheard) */

byte interest = SETS;           /* Trampoline.interest: waiters and subscriptions */
byte parked;                    /* Trampoline.parked: waiters */
bool closed;                    /* Trampoline.handle is NULL */
bool ringing;
byte first = NOBODY;

/* Trampoline.receivers, senders, pollers */
chan receivers = [CALLERS] of { byte };
chan senders = [CALLERS] of { byte };
chan pollers = [1] of { byte };

#if SETS > 0
bool doubtful[SETS] = true;     /* Registered.doubtful */
bool waiting[SETS];             /* PollSet.waiting: the hub watches the epoll set, or the descriptor for it */
#endif

byte who, other, last;          /* scratch; 0 between steps */
#if HUBS > 1
bool given_up_while_it_runs, given_up_one_runs;
#endif

/* = Waiter.choose */
inline choose(greenlet, how) {
	state[greenlet] = how;
	printf("<%d> is woken\n", greenlet);
	if
	:: inside[greenlet] && ringing ->
		if
		:: first != NOBODY -> soon[hub_of(first)]!first
		:: else
		fi;
		first = greenlet
	:: inside[greenlet] && !ringing ->
		soon[hub_of(greenlet)]!greenlet;
#ifdef THREADS
		if
		:: running < GREENLETS && runs[hub_of(greenlet)] && runner[hub_of(greenlet)] != runner[hub_of(running)] ->
			unheard_of[hub_of(greenlet)] = true
		:: else
		fi
#endif
	:: else
	fi
}

inline choose_head(queue) {
	if
	:: len(queue) > 0 ->
		queue?<who>;
		if
		:: state[who] == PARKED -> choose(who, CHOSEN)
		:: else
		fi;
		who = 0
	:: else
	fi
}

/* = PollSet.wake */
inline wake(s) {
	if
	:: waiting[s] && state[SET(s)] == PARKED -> choose(SET(s), CHOSEN)
	:: else
	fi
}

#ifdef SET_UNTOLD
#define is_told(s) (few(s) && waiting[s])
#else
#define is_told(s) true
#endif

/* = RegisteredSocket.ready */
inline ready(s) {
	doubtful[s] = true;
	wake(s)
}

/* = Trampoline.choose: what was read in EVENTS is told to everybody whom it concerns. */
inline changed() {
	d_step {
#if SETS > 0
		if
		:: in && !closed && is_told(0) -> ready(0)
		:: else
		fi;
#endif
#if SETS > 1
		if
		:: in && !closed && is_told(1) -> ready(1)
		:: else
		fi;
#endif
		if
		:: in -> choose_head(pollers); choose_head(receivers)
		:: else
		fi;
		if
		:: out -> choose_head(senders)
		:: else
		fi;
		unheard = false;
		in = false;
		out = false
	}
}

/* = Registry.look */
inline look_at(s) {
	read_events();
	if
	:: in -> d_step { wake(s) }
	:: else
	fi;
	changed()
}

/* = RegisteredSocket.touched */
inline touched(s) {
	doubtful[s] = true;
	if
	:: waiting[s] -> look_at(s)
	:: else
	fi
}

inline tell_subscribed() {
#if SETS > 0
	touched(0);
#endif
#if SETS > 1
	touched(1);
#endif
	skip
}

/* = Trampoline.notify: the baton. `others` says whether anybody else waits. */
inline notify(others) {
#if !defined(NO_BATON) && !defined(OWN_WATCHER)
	if
	:: others ->
		tell_subscribed();
		if
		:: parked > 0 -> read_events(); changed()
		:: else
		fi
	:: else
	fi
#else
	skip
#endif
}

/* = Trampoline.unwatch */
inline unwatch() {
	parked--;
	if
	:: parked == 0 ->
#if HUBS > 1
		home = 0;
#ifndef OLD_WATCHER
		if
		:: !closing -> watched_hub = NOBODY
		:: else
		fi;
#endif
#endif
		armed = false
	:: else
	fi
}

/* Take a callback off the list whose turn is over. It would find that and do nothing (Waiter.resume). */
inline forget_callbacks(greenlet) {
	take_off(soon[hub_of(greenlet)], greenlet);
#ifdef DEFERS
	take_off(deferred[hub_of(greenlet)], greenlet)
#endif
}

inline take_off(callbacks, greenlet) {
	who = len(callbacks);
	do
	:: who > 0 ->
		callbacks?other;
		if
		:: other != greenlet -> callbacks!other
		:: else
		fi;
		who--
	:: else -> break
	od;
	other = 0
}

#if HUBS > 1
inline give_up_queue(queue) {
	do
	:: len(queue) > 0 ->
		queue?last;
		printf("<%d> is given up\n", last);
		state[last] = OUTSIDE;
		given_up[last] = true;
#ifndef STILL_INSIDE
		inside[last] = false;
		forget_callbacks(last);
#endif
		interest--;
		unwatch()
	:: else -> break
	od;
	last = 0
}

/* = Trampoline.abandon, of hub `home` */
inline abandon() {
#ifndef MOVED_ALONE
	given_up_while_it_runs = runs[home];
	assert(!given_up_while_it_runs);
	give_up_queue(receivers);
	give_up_queue(senders);
	give_up_queue(pollers)
#else
	skip
#endif
}

#ifdef NOT_REFUSED
#define is_refused(g) false
#else
#define is_refused(g) (parked > 0 && home != hub_of(g) && runs[home])
#endif
#else
#define is_refused(g) false
#endif

/* = Trampoline.watch */
inline watch() {
#if HUBS > 1
	if
	:: parked > 0 && home != hub_of(me) -> abandon()
	:: else
	fi;
	if
	:: parked == 0 ->
		home = hub_of(me);
#ifdef OLD_WATCHER
		if
		:: watched_hub == NOBODY -> watched_hub = home
		:: else
		fi
#else
		watched_hub = home
#endif
	:: else
	fi;
#endif
	parked++;
	armed = true
}

/* = Trampoline.join */
inline join(queue) {
	d_step {
		assert(!is_gone && state[me] == OUTSIDE);
		watch();
		queue!me;
		state[me] = PARKED;
		interest++
	}
}

/* = Waiter.leave */
inline leave(queue) {
	d_step {
		if
		:: state[me] != CLOSED -> queue??eval(me)
		:: else
		fi;
		state[me] = OUTSIDE;
		forget_callbacks(me);
		interest--;
		unwatch()
	};
#ifdef NO_HAND_ON
	notify(interest > 0 && !closed && !thrown[me])
#else
	notify(interest > 0 && !closed)
#endif
}


/* The greenlets
   -------------
   Each makes one call after the other, begun by the hub, and goes back to it after a call and to park. */

/* = Operation.attempt_again, and the attempt before it */
inline attempt() {
	if
#if HUBS > 1
	:: closing -> err = TERM
#endif
	:: sends && !closing ->
		there_was_room = (room + activate_write > 0);
		try_send();
#ifndef STALE_EAGAIN
		if
		:: err == AGAIN ->
			read_events();
			if
			:: out -> try_send()
			:: else
			fi;
			in = false;
			out = false
		:: else
		fi;
#endif
		/* An EAGAIN is believed only if there was no room when the call began. */
		d_step {
			EAGAIN_with_room_there = (err == AGAIN && there_was_room);
			assert(!EAGAIN_with_room_there);
			there_was_room = false
		}
	:: !sends && !closing -> try_recv()
	fi
}

/* = Operation.operate, operate_parked */
proctype caller(byte me; bool sends; chan queue) {
	byte err;
	bool in, out, nowait, untried, there_was_room, EAGAIN_with_room_there, message_lost;
end_outside:
	atomic {
		running == me;
		untried = false;
		if
		:: nowait = true
		:: nowait = false
		fi;
#ifdef THREADS
		if
		:: is_elsewhere(me) -> printf("<%d> is in another thread\n", me); err = AGAIN; goto over
		:: else -> note(me)
		fi;
#endif
		if
		/* = must_queue */
		:: !nowait && len(queue) > 0 && !is_refused(me) -> join(queue); goto queued
		:: !nowait && len(queue) > 0 && is_refused(me) -> err = AGAIN; goto untold
		/* = Handover.is_possible, next_waiter: a receiver switches to the partner before it makes an attempt. */
		:: !nowait && !sends && interest == 0 ->
			join(queue);
			unheard = true;
			untried = true;
			/* It is watched from the look on, if the hub has a watcher for it. */
			if
			:: armed = false
			:: skip
			fi;
#ifndef NO_LOOK
			looking[hub_of(me)] = true;
#endif
			goto wait
		:: nowait || len(queue) == 0
		fi
	};
	attempt();
#ifdef NOTIFY_FIRST
	notify(interest > 0);
#endif
	if
	:: err == AGAIN && !nowait && !is_refused(me) -> join(queue)
#ifdef REFUSED_UNTOLD
	:: err == AGAIN && !nowait && is_refused(me) -> goto over
#endif
	:: else
	fi;
untold:
#ifndef NOTIFY_FIRST
	notify(interest > (state[me] == PARKED));
#endif
	if
	:: state[me] == OUTSIDE -> goto over
	:: else -> goto wait
	fi;
queued:
#if HUBS > 1 && !defined(UNSEEN)
	/* Those were given up behind whom it queued. */
	notify(parked == 1);
#endif
wait:
	/* = Waiter.wait */
	if
	:: d_step {
			state[me] == PARKED -> printf("<%d> parks\n", me);
			if
			:: !untried -> armed = true
			:: else
			fi;
			inside[me] = true;
			running = HUB
		};
end_parked:
		atomic {
			running == me;
			inside[me] = false;
			if
			:: thrown[me] -> err = AGAIN; goto left
#if HUBS > 1
			:: given_up[me] -> given_up[me] = false; err = AGAIN; goto over
#endif
			:: else -> goto wait
			fi
		}
	:: state[me] == CHOSEN
	:: else -> err = AGAIN; goto left
	fi;
	attempt();
	if
	:: err == AGAIN ->
		/* = Waiter.again */
		state[me] = PARKED;
		unheard = false;
		untried = false;
#if !defined(VAIN_ALONE) && !defined(OWN_WATCHER)
		if
		:: interest > 1 -> read_events(); changed()
		:: else
		fi;
#endif
		goto wait
	:: else
	fi;
left:
	leave(queue);
#ifdef SWITCH_AT_ONCE
	if
	:: len(soon[0]) > 0 ->
		d_step { printf("<%d> switches to whom it woke\n", me); soon[0]!me; inside[me] = true; running = HUB };
		d_step { running == me; inside[me] = false };
		if
		:: thrown[me] -> err = AGAIN
		:: else
		fi
	:: else
	fi;
#endif
over:
	skip;
	d_step {
		printf("<%d> returns\n", me);
		if
		:: err == DONE && !sends ->
			/* Taken and returned one at a time, in the order of the pipe, each once. */
			message_lost = (in_hand != 1);
			assert(!message_lost);
			in_hand = 0
		:: else
		fi;
		err = 0;
		nowait = false;
		thrown[me] = false;
		running = HUB
	};
	goto end_outside
}

/* = Trampoline.poll, with POLLIN */
proctype poller(byte me) {
	bool in, out, found, once;
end_outside:
	running == me;
#ifdef THREADS
	if
	:: is_elsewhere(me) -> goto left
	:: else -> d_step { note(me) }
	fi;
#endif
	if
	:: once = true
	:: once = false
	fi;
look:
	read_events();
	found = in;
#ifdef OWN_WATCHER
	in = false;
	out = false;
#else
	changed();
#endif
	if
	:: found || once -> goto left
	:: else
	fi;
	if
	:: state[me] == OUTSIDE && is_refused(me) -> goto left
	:: state[me] == OUTSIDE && !is_refused(me) -> join(pollers)
	:: state[me] == CHOSEN -> state[me] = PARKED
	:: else
	fi;
wait:
	if
	:: state[me] == PARKED ->
		d_step { printf("<%d> parks\n", me); inside[me] = true; running = HUB };
end_parked:
		d_step { running == me; inside[me] = false };
		if
		:: thrown[me] -> goto left
#if HUBS > 1
		:: given_up[me] -> given_up[me] = false; goto left
#endif
		:: else -> goto wait
		fi
	:: state[me] == CHOSEN -> goto look
	:: state[me] == EXPIRED -> once = true; goto look
	:: else
	fi;
left:
	if
	:: state[me] != OUTSIDE -> leave(pollers)
	:: else
	fi;
	d_step {
		printf("<%d> returns\n", me);
		found = false;
		once = false;
		thrown[me] = false;
		running = HUB
	};
	goto end_outside
}

#if SETS > 0
/* = PollSet.poll, park and collect. The bell is in the epoll set from the start: join_set adds it after a look at
   EVENTS, and if it rings by then it is reported at once. */
proctype poll_set(byte me; byte s) {
	bool in, out, found, once;
end_outside:
	running == me;
	if
	:: once = true
	:: once = false
	fi;
collect:
	found = false;
	d_step {
		if
		:: edge[s] && bell -> doubtful[s] = true
		:: else
		fi;
		edge[s] = false
	};
	if
	:: closed -> goto over
	:: !closed && (doubtful[s] || few(s)) ->
		read_events();
		found = in;
		changed();
		doubtful[s] = found
	:: else
	fi;
	if
	:: found || once -> goto over
	:: else
	fi;
	d_step {
		printf("<%d> parks\n", me);
		waiting[s] = true;
		if
		:: few(s) -> watch()
		:: else
		fi;
		state[me] = PARKED;
		inside[me] = true;
		running = HUB
	};
end_parked:
	d_step {
		running == me;
		inside[me] = false;
		waiting[s] = false;
		if
		:: few(s) && !closed -> unwatch()
		:: else
		fi;
		forget_callbacks(me);
		if
		:: state[me] == EXPIRED -> once = true
		:: else
		fi;
		state[me] = OUTSIDE
	};
	if
	:: thrown[me]
	:: else -> goto collect
	fi;
over:
	skip;
	d_step {
		printf("<%d> returns\n", me);
		found = false;
		once = false;
		thrown[me] = false;
		running = HUB
	};
	goto end_outside
}
#endif


/* What the hub does
   ----------------- */

/* = Waiter.take_turn: the hub switches to a greenlet, or queues it. */
inline take_turn(greenlet) {
	if
	:: !is_serving(hub_of(greenlet)) -> printf("switch to <%d>\n", greenlet); running = greenlet
#ifdef DEFERS
	:: true ->
		printf("<%d> has to wait for a later turn\n", greenlet);
		deferred[hub_of(greenlet)]!greenlet;
		serving[hub_of(greenlet)] = true;
		running = HUB
#endif
	fi
}

/* = Trampoline.answer, and go_on of its callers */
inline answer(looks_for_unheard) {
	ringing = true;
	read_events();
	changed();
	CHOICE {
		ringing = false;
		if
		:: first != NOBODY -> take_turn(first); first = NOBODY
		:: else ->
			if
			:: looks_for_unheard && parked > 0 && !closed -> armed = true
			:: else
			fi;
			running = HUB
		fi
	}
}

/* Every greenlet has a watcher of its own, which knows of nothing else. */
inline wake_all(queue) {
	who = len(queue);
	do
	:: who > 0 ->
		queue?other;
		queue!other;
		if
		:: state[other] == PARKED -> choose(other, CHOSEN)
		:: else
		fi;
		who--
	:: else -> break
	od;
	other = 0
}

inline send_home(queue) {
	do
	:: len(queue) > 0 -> queue?who; choose(who, CLOSED)
	:: else -> break
	od;
	who = 0
}

/* = Trampoline.close */
inline close() {
	printf("the socket is closed\n");
#if HUBS > 1
	told = false;
	if
	:: parked > 0 && !runs[home] -> abandon()
	:: else
	fi;
	closing = false;
	watched_hub = NOBODY;
#endif
	closed = true;
#ifndef LEFT_ARMED
	armed = false;
#endif
#ifndef LEFT_PARKED
	send_home(receivers);
	send_home(senders);
	send_home(pollers);
#endif
	interest = interest - SETS;
#if SETS > 0
	if
	:: few(0) && waiting[0] -> parked--
	:: else
	fi;
	ready(0);
#endif
#if SETS > 1
	ready(1);
#endif
	skip
}

#ifdef THREADS
#define heard_by_home() wakes(watched_hub); noted[watched_hub] = runner[watched_hub]
#else
#define heard_by_home() skip
#endif

#if HUBS > 1
#define is_watched (watched_hub != NOBODY && runs[watched_hub])
#else
#define is_watched true
#endif
#define set_is_readable(s) (waiting[s] && !few(s) && edge[s] && bell && !closed)

#ifdef SPINS
#define moved ; goto others
#else
#define moved
#endif

/* A greenlet begins a call; something is thrown into one that is parked; its time is over (= Waiter.expire). */
#define of_its_own_accord(g) \
	:: d_step { running == HUB && !is_gone && state[g] == OUTSIDE && !inside[g] && runs_in(hub_of(g)) -> \
			printf("<%d> begins a call\n", g); wakes(hub_of(g)); running = g } moved \
	:: d_step { running == HUB && inside[g] && runs_in(hub_of(g)) && !is_left(g) -> \
			printf("something is thrown into <%d>\n", g); wakes(hub_of(g)); thrown[g] = true; running = g } moved \
	:: CHOICE { running == HUB && inside[g] && state[g] == PARKED && runs_in(hub_of(g)) -> \
			printf("the time of <%d> is over\n", g); wakes(hub_of(g)); state[g] = EXPIRED; take_turn(g) } moved

/* A callback */
#define resumes(h) \
	:: CHOICE { running == HUB && runs_in(h) && len(soon[h]) > 0 && is_heard(h) -> \
			soon[h]?greenlet; \
			if \
			:: inside[greenlet] && state[greenlet] != PARKED -> is_given_up(greenlet); take_turn(greenlet) \
			:: else \
			fi; \
			greenlet = 0 \
		}

#ifdef DEFERS
/* A turn begins = deferred_turns.serve, Waiter.resume */
#define serves(h) \
	:: d_step { running == HUB && runs_in(h) && serving[h] -> \
			serving[h] = false; \
			if \
			:: len(deferred[h]) > 0 -> \
				deferred[h]?greenlet; \
				serves_on(h); \
				if \
				:: inside[greenlet] && state[greenlet] != PARKED -> \
					is_given_up(greenlet); \
					printf("it is the turn of <%d>\n", greenlet); \
					running = greenlet \
				:: else \
				fi \
			:: else \
			fi; \
			greenlet = 0 \
		}
#ifdef SERVED_ONCE
#define serves_on(h) skip
#else
#define serves_on(h) serving[h] = (len(deferred[h]) > 0)
#endif
#else
#define serves(h)
#endif

#ifdef LOOKS_WHERE_NOTED
#define is_its_own(h) (noted[h] == runner[h])
#else
#define is_its_own(h) true
#endif

#ifdef HEARD_UNARMED
#define arms_late() skip
#else
#define arms_late() armed = true
#endif

/* Another callback = Trampoline.on_unheard. It may come before those that were there first. */
#define looks(h) \
	:: d_step { running == HUB && runs_in(h) && looking[h] -> looking[h] = false; running = CALLBACK }; \
		if \
		:: unheard && parked > 0 && !closed && is_its_own(h) -> answer(true) \
		:: !unheard && parked > 0 && !closed && is_its_own(h) -> arms_late(); running = HUB \
		:: else -> running = HUB \
		fi

#if HUBS > 1
#define is_given_up(g) given_up_one_runs = given_up[g]; assert(!given_up_one_runs)

/* A hub stops; runs again; ends, and gives up whoever waits there (= Hub.give_up_all). */
#define stops(h) \
	:: d_step { running == HUB && runs[h] -> printf("hub %d stops\n", h); runs[h] = false } moved \
	runs_again(h) \
	:: d_step { running == HUB && parked > 0 && ended(h) -> \
			printf("hub %d ends\n", h); runs[h] = false; abandon() } moved
#ifdef THREADS
#define runs_again(h) \
	:: d_step { running == HUB && !runs[h] && !(runs[1 - h] && runner[1 - h] == runner[h]) -> \
			printf("hub %d runs\n", h); runs[h] = true; wakes(h) } moved \
	:: d_step { running == HUB && !runs[h] && !(runs[1 - h] && runner[1 - h] != runner[h]) -> \
			printf("hub %d runs in another thread\n", h); runs[h] = true; runner[h] = 1 - runner[h]; wakes(h) } moved
#else
#define runs_again(h) \
	:: d_step { running == HUB && !runs[h] -> printf("hub %d runs\n", h); runs[h] = true } moved
#endif
#ifdef LATE_GIVE_UP
#define ended(h) true
#else
#define ended(h) home == h
#endif
#else
#define is_given_up(g) skip
#endif

active proctype hub() {
	bool in, out;
	byte greenlet;

	atomic {
		do
		:: greenlet < CALLERS ->
			if
			:: greenlet < SENDERS -> run caller(greenlet, true, senders)
			:: else -> run caller(greenlet, false, receivers)
			fi;
			greenlet++
		:: else -> break
		od;
		greenlet = 0;
#ifdef THREADS
		runner[1] = 1;
		noted[1] = 1;
#endif
#if POLLERS > 0
		run poller(POLLER);
#endif
#if SETS > 0
		run poll_set(SET(0), 0);
#endif
#if SETS > 1
		run poll_set(SET(1), 1);
#endif
	};

end_loop:
	do
	resumes(0)
	serves(0)
	looks(0)
#if HUBS > 1
	resumes(1)
	serves(1)
	looks(1)
#endif

	/* The descriptor is readable = Trampoline.on_readable */
	:: d_step { running == HUB && armed && bell && is_watched ->
			printf("the descriptor is readable\n");
			heard_by_home();
			running = CALLBACK
		};
#ifdef OWN_WATCHER
		d_step { wake_all(receivers); wake_all(senders); wake_all(pollers); running = HUB }
#else
		tell_subscribed();
		answer(false)
#endif

#if SETS > 0
	/* An epoll set is readable = PollSet.on_bell */
	:: d_step { running == HUB && set_is_readable(0) ->
			printf("the epoll set of <%d> is readable\n", SET(0));
			running = CALLBACK;
			edge[0] = false;
			doubtful[0] = true
		};
		look_at(0);
		running = HUB
#endif
#if SETS > 1
	:: d_step { running == HUB && set_is_readable(1) ->
			printf("the epoll set of <%d> is readable\n", SET(1));
			running = CALLBACK;
			edge[1] = false;
			doubtful[1] = true
		};
		look_at(1);
		running = HUB
#endif

	/* What happens of its own accord. */
	of_its_own_accord(0)
#if CALLERS > 1
	of_its_own_accord(1)
#endif
#if CALLERS > 2
	of_its_own_accord(2)
#endif
#if POLLERS > 0
	of_its_own_accord(POLLER)
#endif
#if SETS > 0
	of_its_own_accord(SET(0))
#endif
#if SETS > 1
	of_its_own_accord(SET(1))
#endif
#if SETS == 0 && !defined(OWN_WATCHER)
	/* A greenlet that parks on another socket takes it for granted that there is a message = Handover.next_waiter */
	:: d_step { running == HUB && !closed && len(receivers) > 0 && runs_in(home) ->
			receivers?<who>;
			if
			:: inside[who] && state[who] == PARKED ->
				printf("a partner switches to <%d>\n", who);
				state[who] = CHOSEN;
				running = who
			:: else
			fi;
			who = 0
		} moved
	/* ... or looks at this one. */
	:: d_step { running == HUB && !closed && parked > 0 && runs_in(home) -> printf("a partner looks\n"); running = CALLBACK };
		answer(false) moved
#endif
	:: d_step { running == HUB && !is_gone -> close() }

#if HUBS > 1
	stops(0)
	stops(1)
	/* Another thread closes, while the hub runs: the hub is told. */
	:: d_step { running == HUB && !is_gone && parked > 0 && is_watched ->
			printf("another thread closes the socket\n");
			closing = true;
#ifndef NO_CLOSE_HERE
			told = true
#endif
		}
	/* = Trampoline.close_here; = close_left, by whoever ends the context */
	:: d_step { running == HUB && (told && is_watched || closing && !is_watched) -> close() }
#endif
	od;
#ifdef SPINS
others:
progress:
	running == HUB;
	goto end_loop
#endif
}


/* What must hold
   --------------
   The guards below are false in every state that can be reached. */

/* The hub sleeps: nothing moves unless the I/O thread does, or a greenlet or a timer of its own accord. */
#if HUBS > 1
#define idle(h) (!runs[h] || (len(soon[h]) == 0 || !is_heard(h)) && !is_serving(h) && !looking[h])
#define hubs_idle (idle(0) && idle(1) && !(told && is_watched))
/* Somebody is in a queue whose hub runs. */
#define in_queue(q, g) (q??[g] && runs[hub_of(g)])
#define some_in(q) (in_queue(q, 0) || in_queue(q, 1) || in_queue(q, 2))
#define some_parked (parked > 0 && runs[home])
#else
#define hubs_idle (len(soon[0]) == 0 && !is_serving(0) && !looking[0])
#define some_in(q) (len(q) > 0)
#define some_parked (parked > 0)
#endif
#define at_rest (running == HUB && hubs_idle && !(armed && bell && is_watched) && sets_at_rest)
#if SETS == 0
#define sets_at_rest true
#define sets_parked false
#define sets_armed 0
#elif SETS == 1
#define sets_at_rest !set_is_readable(0)
#define sets_parked waiting[0]
#define sets_armed (few(0) && waiting[0])
#else
#define sets_at_rest !set_is_readable(0) && !set_is_readable(1)
#define sets_parked (waiting[0] || waiting[1])
#define sets_armed (few(0) && waiting[0])
#endif

#define is_chosen(g) ((state[g] == CHOSEN || state[g] == EXPIRED || state[g] == CLOSED) && runs_in(hub_of(g)))

#define some_chosen (is_chosen(0) || is_chosen(1) || is_chosen(GREENLETS - 2) || is_chosen(GREENLETS - 1))
#define in_queues (len(receivers) + len(senders) + len(pollers) + sets_armed)

#define must_not(fault, guard) :: d_step { guard -> fault = true; assert(!fault) }

active proctype judge() {
	bool receiver_sleeps_on, sender_sleeps_on, poller_sleeps_on, set_sleeps_on, chosen_one_never_runs;
	bool armed_and_parked_differ, not_in_one_queue, message_lost, parked_after_the_end;
end:
	do
	/* No lost wake-up: I2. */
	must_not(receiver_sleeps_on, at_rest && incoming > 0 && some_in(receivers))
	must_not(sender_sleeps_on, at_rest && room + activate_write > 0 && some_in(senders))
	must_not(poller_sleeps_on, at_rest && incoming > 0 && some_in(pollers))
	must_not(set_sleeps_on, at_rest && incoming > 0 && sets_parked)
	must_not(chosen_one_never_runs, at_rest && some_chosen)
	/* I1, I9; and disarmed before the socket is closed. */
	must_not(armed_and_parked_differ, running == HUB && armed && (parked == 0 || closed))
	must_not(armed_and_parked_differ, at_rest && !armed && some_parked && !closed)
	/* I3 */
	must_not(not_in_one_queue, running == HUB && !closed && parked != in_queues)
	/* I4 */
	must_not(message_lost, at_rest && in_hand > 0)
	/* I5 */
	must_not(parked_after_the_end, at_rest && (is_gone || stop || terminated) && (some_parked || sets_parked))
	od
}
