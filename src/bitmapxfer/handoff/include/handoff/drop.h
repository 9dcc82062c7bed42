/** Why a bitmap, or a whole move, was not carried: stable codes that users see and scripts match.
 */
#ifndef HANDOFF_DROP_H
#define HANDOFF_DROP_H

/** X(NAME, sentence).  Add at the end (journals and words between helpers hold the number); never
 *  rename.  The consequence is always the same: no bitmap of that name at the destination, so the
 *  next backup that needs it is a full one.  Except for the two that begin with NATIVE: there is
 *  one, which was neither made nor touched by bitferry. */
#define BF_DROPS(X)                                                                                \
    X(NONE, "carried")                                                                             \
    X(BITMAP_VANISHED, "the bitmap was removed on the source during the move")                     \
    X(BITMAP_CLEARED, "the bitmap was cleared on the source during the move")                      \
    X(BITMAP_CHANGED, "the bitmap was changed on the source during the move")                      \
    X(BITMAP_SWITCHED_ON, "the frozen bitmap was enabled on the source during the move")           \
    X(BITMAP_SWITCHED_OFF, "the recording bitmap was disabled on the source during the move")      \
    X(BITMAP_APPEARED, "the bitmap was created after the move had begun")                          \
    X(BITMAP_BUSY, "the bitmap is in use by a backup or an export")                                \
    X(BITMAP_INCONSISTENT, "the bitmap is inconsistent: QEMU did not store it properly")           \
    X(BITMAP_UNSEEN, "the bitmap could not be examined on the stopped source")                     \
    X(NAME_RESERVED, "the name is one that bitferry uses for its temporary bitmaps")               \
    X(NAME_TAKEN, "the destination has a bitmap of that name that is not ours")                    \
    X(NODE_MISSING, "the destination has no node for this disk")                                   \
    X(SIZE_MISMATCH, "the destination's disk is smaller than the source's")                        \
    X(FORMAT_UNSUPPORTED, "the destination's image cannot hold the bitmap")                        \
    X(SNAPSHOT_REFUSED, "QEMU on the source refused the snapshot transaction")                     \
    X(SERVE_FAILED, "the snapshot could not be read or served on the source")                      \
    X(PULL_FAILED, "the snapshot could not be fetched by the destination")                         \
    X(DIGEST_MISMATCH, "count or SHA-256 of the bits are not what was announced")                  \
    X(LOAD_REFUSED, "QEMU on the destination refused the snapshot")                                \
    X(TRACKER_REFUSED, "QEMU on the destination refused the tracker")                              \
    X(TRACKER_LATE, "the guest ran on the destination before anything recorded its writes")        \
    X(TRACKER_LOST, "the tracker on the destination is gone")                                      \
    X(SNAPSHOT_LOST, "the loaded snapshot on the destination is gone")                             \
    X(DELTA_LOST, "what was written while the snapshot travelled did not arrive")                  \
    X(SWITCHED_EARLY, "the guest was switched over before the snapshot was taken")                 \
    X(MIRROR_FAILED, "the mirror of the disk failed while the guest was stopped")                  \
    X(SOURCE_BLIND, "bitferry-source was not running when the guest was switched over")            \
    X(COMMIT_REFUSED, "QEMU on the destination refused the commit transaction")                    \
    X(COMMIT_LOST, "the committed bitmap is gone from the destination")                            \
    X(READ_BACK_FAILED, "the committed bitmap is not what it should be, and was removed")          \
    X(MIGRATION_FAILED, "the guest stays on the source")                                           \
    X(SOURCE_QEMU_GONE, "QEMU on the source ended before the switchover")                          \
    X(DEST_QEMU_GONE, "QEMU on the destination ended")                                             \
    X(SOURCE_SILENT, "bitferry-source did not answer in time")                                     \
    X(DEST_SILENT, "bitferry-dest did not answer in time")                                         \
    X(PEER_ABORTED, "the other helper gave up the move")                                           \
    X(OPERATOR_ABORT, "the move was aborted on request")                                           \
    X(JOURNAL_FAILED, "the journal of the move could not be written")                              \
    X(PROTOCOL, "a fact came that has no place in the hand-over (a bug, or a hostile peer)")       \
    X(DISK_MISMATCH, "the disk of that name at the destination is another one")                    \
    X(CHAIN_MISMATCH, "the images below are not the same at the destination")                      \
    X(CHAIN_GAP, "an image of the chain was written to without this bitmap")                       \
    X(NO_PAUSE, "nobody says when the guest is paused, so what it writes last would be missed")    \
    X(NATIVE, "QEMU itself has brought the bitmap, and it was proven: bitferry stands aside")      \
    X(NATIVE_UNPROVEN, "QEMU itself has brought the bitmap, but nothing was there to prove it by") \
    X(BROUGHT_BY_NOBODY, "QEMU was to bring the bitmap itself, but it is not there")               \
    X(BROUGHT_SHORT, "QEMU itself has brought the bitmap, but it has less than the source's, or "  \
                     "another state, and was removed")                                             \
    X(TOO_SLOW, "the link is too slow for the bitmap to arrive in time (pull_limit_s)")            \
    X(FOREIGN, "the other helper gives a reason that this version does not know")                  \
    X(CHAIN_RESIZED, "images of the chain differ in size, so their bitmaps cannot be united")      \
    X(DISK_RESIZED, "the disk was resized during the move")                                        \
    X(ARRIVES_HIDDEN, "libvirt itself moves the machine and shows nobody its QEMU until it has "   \
                      "arrived: only the native hand-over can be done then (start --handover)")    \
    X(BROUGHT_UNPROVEN, "QEMU itself has brought the bitmap, but only its count speaks for it, "   \
                        "and more was asked for (require_bits): it was removed")

enum bf_drop {
#define BF_ENUM(name, sentence) BF_DROP_##name,
    BF_DROPS(BF_ENUM)
#undef BF_ENUM
        BF_NR_DROPS
};

/** "BITMAP_VANISHED" and so on; "UNKNOWN" for a number that is none. */
const char *bf_drop_name(enum bf_drop drop);

/** A sentence for people, without a full stop. */
const char *bf_drop_text(enum bf_drop drop);

#endif
