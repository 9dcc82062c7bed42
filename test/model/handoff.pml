/* The hand-over in nbd mode, condensed: two disks of one block, each with one recording bitmap.
 *
 * A guest writes values and zeroes; a mirror copies with a lag (and, with SKIP_ZEROES, does not send a
 * zero that the target already holds); snapshots travel while it copies, each taken at a moment of its
 * own behind the beginning of a delta, which ends when the trackers record (with SKIP_ZEROES: when the
 * guest is paused); the words between the helpers are lost, late, old or said again;
 * either helper is killed at any step and starts again from what it had written down.  The source's
 * bitmaps may be taken out of its QEMU before the guest is paused, for each has a twin that records the
 * same; a user may clear them at any time, which the twins show; the migration may fail then.  The commit is one transaction for each bitmap, while the
 * guest writes; between them the destination's helper may be killed, and its QEMU.
 *
 * Checked: a bitmap published at the destination, together with the backup taken when the bitmap
 * began, always gives the guest's disk, it records, it is added only once, it is there when it is said
 * to be, the source's own is removed for good only when the guest runs at the destination; at any other
 * end it is there, records, and covers as much; and nobody waits for ever.
 *
 * Broken on purpose with -D: DELTA_AFTER_SNAPSHOT, TRACKER_AFTER_DELTA, NO_DELTA, NO_WAIT (for the
 * pause; needs SKIP_ZEROES), NO_TRACKER, ENABLE_LATER, RETIRE_EARLY, TRUST_OLD_EPOCH, SECOND_ADD; of the steps of the commit TRACKERS_GONE_EARLY,
 * ONE_STEP_IS_ALL, NO_READ_BACK; of what is taken out TWIN_TAKEN, PUT_BACK_SNAPSHOT, FORGET_TAKEN.
 */
#define BLOCKS     2
#define EPOCHS_MAX 3

#ifndef WRITES
#define WRITES 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef MISHAPS /* of the migration, and of the destination's QEMU */
#define MISHAPS true
#endif

mtype = { OFFER, RECORDING, ARM, DELTA, SEAL, GONE };
mtype:place = { AT_SOURCE, PAUSED, LEFT, AT_DEST, LOST };

/* the guest and its disks */
mtype:place guest = AT_SOURCE;
bool failed; /* the migration did: the guest stays at the source */
byte source_data[BLOCKS];
byte dest_data[BLOCKS];
byte base_data[BLOCKS]; /* as of the beginning of the bitmap */
byte writes_left = WRITES;
byte crashes_left = CRASHES;
byte losses_left = LOSSES;
bool qemu_may_die = MISHAPS;

/* the mirror */
bool dirty[BLOCKS];
bool ready;

/* bitmaps in the two QEMUs */
bool own[BLOCKS];
bool retired;
bool taken; /* own is not there: it is the twin */
bool recorders; /* there are twins and deltas */
bool twin[BLOCKS]; /* where nothing befalls the migration, nothing is put back */
bool delta[BLOCKS];
bool delta_ended;
bool snapshot[BLOCKS];
byte snapshot_epoch;
bool tracker[BLOCKS];
byte tracker_epoch;
bool loaded[BLOCKS];
bool held[BLOCKS]; /* there is a loaded snapshot, so it is not published */
byte loaded_epoch;
bool loaded_delta[BLOCKS];
byte delta_epoch;
bool final[BLOCKS];
bool published[BLOCKS];
bool recording[BLOCKS];

/* durable with the helpers */
byte source_epoch; /* in use */
bool sealed;
bool dropped; /* sealed without the bitmap */
byte dest_epoch;
byte armed_epoch; /* its tracker was there before the guest */
bool committed;

bool done;

chan to_dest = [2] of { byte, mtype };
chan to_source = [2] of { byte, mtype };

#define DRAINED (!dirty[0] && !dirty[1])
#define WHOLE(b) (final[b] || dest_data[b] == base_data[b])
#define GONE_FOR_GOOD (guest == LEFT || guest == AT_DEST || guest == LOST)
#define KEPT(b)  (!taken && !retired && (own[b] || source_data[b] == base_data[b]))
#define GOOD(b)  (!published[b] || (guest == AT_DEST && recording[b] && WHOLE(b)))
#define CHECK    assert(GOOD(0) && GOOD(1))

#ifdef TWIN_TAKEN
#define TWIN_RECORDS taken
#define AS_TWIN(b)   true
#else
#define TWIN_RECORDS (recorders && MISHAPS)
#define AS_TWIN(b)   (own[b] == twin[b])
#endif
#define WRITE_AT_SOURCE(b, value) \
	d_step { \
		guest == AT_SOURCE && writes_left > 0 -> \
		writes_left--; \
		source_data[b] = value; \
		own[b] = own[b] || !taken; \
		twin[b] = twin[b] || TWIN_RECORDS; \
		delta[b] = delta[b] || (recorders && !delta_ended); \
		dirty[b] = true \
	}
#define WRITE_AT_DEST(b) \
	d_step { \
		guest == AT_DEST && writes_left > 0 -> \
		writes_left--; \
		dest_data[b] = 1 + (dest_data[b] & 1); \
		tracker[b] = tracker[b] || tracker_epoch > 0; \
		final[b] = final[b] || (published[b] && recording[b]); \
		CHECK \
	}

proctype Guest()
{
	do
	:: WRITE_AT_SOURCE(0, 0)
	:: WRITE_AT_SOURCE(0, 1 + (source_data[0] & 1))
	:: WRITE_AT_SOURCE(1, 0)
	:: WRITE_AT_SOURCE(1, 1 + (source_data[1] & 1))
	:: WRITE_AT_DEST(0)
	:: WRITE_AT_DEST(1)
	:: writes_left == 0 || done -> break
	od
}

/* A backup at any time before the hand-over relies on it. */
proctype User()
{
	atomic {
		if
		:: !taken && guest == AT_SOURCE ->
			own[0] = false; own[1] = false;
			base_data[0] = source_data[0]; base_data[1] = source_data[1]
		:: true
		fi
	}
}

#ifdef SKIP_ZEROES
#define SKIPPED(b) (source_data[b] == 0 && dest_data[b] == 0)
#else
#define SKIPPED(b) false
#endif
#define COPY(b) \
	dirty[b] = false; \
	tracker[b] = tracker[b] || (tracker_epoch > 0 && !SKIPPED(b)); \
	dest_data[b] = source_data[b]

proctype Mirror()
{
	do
	:: d_step { guest != AT_DEST && dirty[0] -> COPY(0) }
	:: d_step { guest != AT_DEST && dirty[1] -> COPY(1) }
	:: atomic { !ready && DRAINED -> ready = true }
	:: guest == AT_DEST || guest == LOST || (failed && done) -> break
	od
}

/* The guest may be switched over at any time after the mirror is ready. */
proctype Orchestrator()
{
	ready;
	atomic { DRAINED -> guest = PAUSED };
	if
	:: guest = LEFT; guest = AT_DEST
	:: atomic { MISHAPS -> guest = AT_SOURCE; failed = true }
	fi
}

/* Say it, and again while nothing is on its way, until it is answered; or be killed meanwhile.  Words
 * overtake each other; what is not waited for is not heard. */
#ifdef TRUST_OLD_EPOCH
#define HEAR(step) to_source??epoch,step
#else
#define HEAR(step) to_source??eval(source_epoch),step
#endif
#define ASK(step) \
	do \
	:: atomic { empty(to_dest) && empty(to_source) -> to_dest!source_epoch,step } \
	:: atomic { HEAR(step) -> epoch = 0; break } \
	:: atomic { to_source??eval(source_epoch),GONE -> epoch = 0; goto kept } \
	:: failed -> goto kept \
	:: atomic { full(to_source) -> to_source?_,_ } \
	:: atomic { empty(to_dest) && nempty(to_source) && !to_source??[eval(source_epoch),step] -> \
		to_dest!source_epoch,step } \
	:: atomic { losses_left > 0 && nempty(to_source) -> losses_left--; to_source?_,_ } \
	:: atomic { losses_left > 0 && nempty(to_dest) -> losses_left--; to_dest?_,_ } \
	:: atomic { crashes_left > 0 -> crashes_left--; goto restart } \
	od

#ifdef PUT_BACK_SNAPSHOT
#define WHOLE_OWN(b) snapshot[b]
#else
#define WHOLE_OWN(b) twin[b]
#endif
#ifdef FORGET_TAKEN
#define IS_TAKEN taken_here
#else
#define IS_TAKEN taken
#endif
/* What was taken out comes back; then all that is ours goes. */
#define CLEAN \
	if \
	:: IS_TAKEN -> taken = false; own[0] = WHOLE_OWN(0); own[1] = WHOLE_OWN(1) \
	:: else \
	fi; \
	recorders = false; snapshot_epoch = 0; delta_ended = false; \
	snapshot[0] = false; snapshot[1] = false; twin[0] = false; twin[1] = false; \
	delta[0] = false; delta[1] = false

#ifdef DELTA_AFTER_SNAPSHOT
#define BEGIN_BEFORE skip
#define BEGIN_BEHIND recorders = true
#else
#define BEGIN_BEFORE recorders = true
#define BEGIN_BEHIND skip
#endif
#define HOLD \
	if \
	:: atomic { MISHAPS && guest == AT_SOURCE && !failed && AS_TWIN(0) && AS_TWIN(1) -> \
		taken = true; taken_here = true; \
		own[0] = false; own[1] = false } \
	:: true \
	fi
#if defined(SKIP_ZEROES) && !defined(NO_WAIT)
#define MAY_END_DELTA     (guest != AT_SOURCE || failed)
#define HOLD_BEFORE_DELTA HOLD
#define HOLD_BEHIND_DELTA skip
#else
#define MAY_END_DELTA     true
#define HOLD_BEFORE_DELTA skip
#define HOLD_BEHIND_DELTA HOLD
#endif
#define TAKE(b) snapshot[b] = own[b]; twin[b] = MISHAPS && (twin[b] || own[b])
#define HERE ((guest == AT_SOURCE || guest == PAUSED) && !failed)

proctype Source()
{
	byte epoch;
	bool taken_here;

restart:
	atomic {
	taken_here = false;
	if
	:: retired -> goto tell
	:: sealed && !retired -> goto seal
	:: !sealed && failed -> goto kept
	:: !sealed && !failed && guest == AT_SOURCE && source_epoch < EPOCHS_MAX ->
		source_epoch++;
		CLEAN
	:: !sealed && !failed && (guest != AT_SOURCE || source_epoch == EPOCHS_MAX) ->
		GONE_FOR_GOOD || failed;
		if
		:: failed -> goto kept
		:: else -> dropped = true; goto write_seal
		fi
	fi
	};
	ASK(OFFER);
	/* Two moments: the guest writes between them. */
	atomic {
		if
		:: HERE -> BEGIN_BEFORE; TAKE(0)
		:: else -> dropped = true
		fi
	};
	atomic {
		if
		:: !dropped && HERE -> TAKE(1); BEGIN_BEHIND; snapshot_epoch = source_epoch
		:: else -> dropped = true
		fi
	};
	if
	:: dropped
	:: else ->
		ASK(RECORDING);
		ready || guest != AT_SOURCE;
		if
		:: GONE_FOR_GOOD -> dropped = true
		:: else ->
			ASK(ARM);
			HOLD_BEFORE_DELTA;
			MAY_END_DELTA;
			delta_ended = true;
			ASK(DELTA);
			HOLD_BEHIND_DELTA
		fi
	fi;
	if
	:: GONE_FOR_GOOD
	:: failed -> goto kept
	:: atomic { crashes_left > 0 -> crashes_left--; goto restart }
	fi;
write_seal:
	sealed = true;
seal:
#ifdef RETIRE_EARLY
	assert(guest == AT_DEST);
#endif
	ASK(SEAL);
	assert(guest == AT_DEST);
	retired = true;
	goto tell;
kept:
	atomic {
		assert(failed || (sealed && guest == LOST));
		CLEAN;
		assert(KEPT(0) && KEPT(1))
	};
tell:
	done = true
}

#define PUBLISH(b) \
	atomic { \
		if \
		:: !dropped && held[b] && loaded_epoch == epoch && delta_epoch == epoch && \
		   tracker_epoch == epoch && armed_epoch == epoch -> \
			assert(!published[b]); \
			published[b] = true; \
			recording[b] = RECORDS_AT_ONCE; \
			final[b] = loaded[b] FOLLOWED(b) TRACKED(b); \
			held[b] = KEEPS_SNAPSHOT; \
			STEP_REMOVES; \
			CHECK \
		:: else \
		fi \
	}
#define FORGET(b) \
	published[b] = false; recording[b] = false; final[b] = false; held[b] = false; \
	loaded[b] = false; loaded_delta[b] = false; tracker[b] = false; dest_data[b] = base_data[b]
#define TIDY(b) \
	held[b] = false; loaded[b] = false; loaded_delta[b] = false; tracker[b] = false; \
	recording[b] = published[b]
/* The helper is killed, or its QEMU with the guest and all bitmaps, for none has been stored yet. */
#define BETWEEN \
	if \
	:: atomic { crashes_left > 0 -> crashes_left--; goto commit } \
	:: atomic { qemu_may_die && guest == AT_DEST -> \
		qemu_may_die = false; \
		guest = LOST; \
		FORGET(0); FORGET(1) } \
	:: true \
	fi

#ifdef ENABLE_LATER
#define RECORDS_AT_ONCE false
#else
#define RECORDS_AT_ONCE true
#endif
#ifdef NO_DELTA
#define FOLLOWED(b)
#else
#define FOLLOWED(b) || loaded_delta[b]
#endif
#ifdef NO_TRACKER
#define TRACKED(b)
#else
#define TRACKED(b) || tracker[b]
#endif
#ifdef SECOND_ADD
#define KEEPS_SNAPSHOT true
#else
#define KEEPS_SNAPSHOT false
#endif
#ifdef TRACKERS_GONE_EARLY
#define STEP_REMOVES tracker[0] = false; tracker[1] = false
#else
#define STEP_REMOVES skip
#endif
#ifdef NO_READ_BACK
#define CARRIED(b) !dropped
#else
#define CARRIED(b) published[b]
#endif

/* What a killed helper forgets is nothing: each word finds out what is there. */
proctype Destination()
{
	byte epoch;
	mtype step;
	bool carried[BLOCKS]; /* what will be said of them */

	do
	:: atomic { to_dest?epoch,step ->
		if
		:: epoch < dest_epoch -> skip
		:: epoch > dest_epoch && step == OFFER ->
			dest_epoch = epoch;
			atomic {
				tracker_epoch = 0; tracker[0] = false; tracker[1] = false;
				loaded_epoch = 0; loaded[0] = false; loaded[1] = false;
				held[0] = false; held[1] = false;
				delta_epoch = 0; loaded_delta[0] = false; loaded_delta[1] = false
			}
		:: epoch > dest_epoch && step == SEAL ->
			guest == AT_DEST; /* nothing was begun; the deadline would tell */
			dest_epoch = epoch;
			committed = true
		:: epoch == dest_epoch && step == RECORDING && loaded_epoch != epoch ->
			atomic {
				if
				:: snapshot_epoch == epoch ->
					loaded[0] = snapshot[0]; loaded[1] = snapshot[1];
					held[0] = true; held[1] = true;
					loaded_epoch = epoch
				:: else
				fi
			}
		:: epoch == dest_epoch && step == ARM && tracker_epoch != epoch ->
#ifndef TRACKER_AFTER_DELTA
			atomic {
				tracker_epoch = epoch;
				if
				:: guest != AT_DEST -> armed_epoch = epoch
				:: else
				fi
			}
#else
			armed_epoch = epoch
#endif
		:: epoch == dest_epoch && step == DELTA && delta_epoch != epoch ->
#ifdef TRACKER_AFTER_DELTA
			tracker_epoch = epoch;
#endif
			atomic {
				if
				:: snapshot_epoch == epoch && delta_ended ->
					loaded_delta[0] = delta[0]; loaded_delta[1] = delta[1];
					delta_epoch = epoch
				:: else
				fi
			}
		:: epoch == dest_epoch && step == SEAL && !committed && guest != LOST ->
			guest == AT_DEST;
			goto commit
		:: else
		fi };
answer:
	atomic {
		if
		:: guest == LOST && !committed -> step = GONE
		:: else
		fi;
		if
		:: epoch == dest_epoch && nfull(to_source) -> to_source!epoch,step
		:: epoch != dest_epoch || full(to_source)
		fi;
		epoch = 0; step = 0 }
	:: done && empty(to_dest) -> break
	od;
	goto end;

commit: /* of those whose snapshots are there, one after the other; after a kill, of the rest */
#ifdef ONE_STEP_IS_ALL
	if
	:: published[0] -> carried[0] = true; carried[1] = true; goto read_back
	:: else
	fi;
#endif
	PUBLISH(0);
	BETWEEN;
	PUBLISH(1);
	BETWEEN;
	atomic { carried[0] = CARRIED(0); carried[1] = CARRIED(1) };
read_back:
	atomic {
		assert(!carried[0] || published[0]);
		assert(!carried[1] || published[1]);
		committed = (guest == AT_DEST);
		carried[0] = false; carried[1] = false;
		TIDY(0); TIDY(1);
		loaded_epoch = 0; delta_epoch = 0; tracker_epoch = 0;
		goto answer
	};
end:
	skip
}

init
{
	atomic {
		source_data[1] = 1;
		base_data[1] = 1;
		dirty[0] = true;
		dirty[1] = true;
		run Guest();
		run User();
		run Mirror();
		run Orchestrator();
		run Source();
		run Destination()
	}
}
