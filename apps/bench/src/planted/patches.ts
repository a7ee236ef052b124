import type { SourcePatch } from '@quorate/simulator';

/**
 * A leader that answers each read at once from its own state, and that does not notice that no
 * quorum answers it any more. Both are needed: a correct leader behind a cut stands down within an
 * election timeout, and the window for a stale read would be a matter of luck.
 */
export const UNCONFIRMED_READ: readonly SourcePatch[] = [
  {
    id: 'raft-unconfirmed-read',
    file: 'libs/raft/src/read-index.ts',
    find: `(voter) => (voter === core.id ? this.confirmation : confirmedBy(voter)) as LogIndex,`,
    replace: `(voter) => Math.max(this.confirmation, confirmedBy(voter)) as LogIndex,`,
  },
  {
    id: 'raft-deaf-leader',
    file: 'libs/raft/src/replication.ts',
    find: `if (core.now >= this.quorumDeadline) return 'a quorum is silent';`,
    replace: `this.quorumDeadline = (core.now + timeoutMicros) as Instant;`,
  },
  {
    id: 'multi-paxos-unconfirmed-read',
    file: 'libs/multi-paxos/src/proposer.ts',
    find: `voter === this.context.id ? reads.sequence : (phase2.peer(voter)?.confirmed ?? 0),`,
    replace: `Math.max(reads.sequence, phase2.peer(voter)?.confirmed ?? 0),`,
  },
  {
    id: 'multi-paxos-deaf-leader',
    file: 'libs/multi-paxos/src/proposer.ts',
    find: `if (this.parts.rules.checkQuorum && silent) this.standDown('no quorum answers');`,
    replace: `if (silent && this.context.now < 0) this.standDown('no quorum answers');`,
  },
  {
    id: 'zab-unconfirmed-read',
    file: 'libs/zab/src/reads.ts',
    find: `(voter === id ? this.token : (this.echoes.get(voter) ?? 0)) as LogIndex;`,
    replace: `(voter === id ? this.token : Math.max(this.token, 0)) as LogIndex;`,
  },
  {
    id: 'zab-deaf-leader',
    file: 'libs/zab/src/leader-silence.ts',
    find: `if (server.now - heardAt >= this.timeoutMicros) return 'no quorum heard for a timeout';`,
    replace: `if (server.now - heardAt >= this.timeoutMicros) {
      this.judgeAt = (server.now + this.timeoutMicros) as Instant;
      return null;
    }`,
  },
];

/** How long the planted log keeps a group in memory, in microseconds. */
const HELD_BACK_MICROS = 1_500_000;

/**
 * A log that acknowledges a group at once and writes it later, one group after the other, so that
 * what a kill leaves on the disk is a clean prefix: recovery has nothing to complain about, and
 * only the clients can tell that something is missing. The parts are copied, since the log uses
 * their buffer again once a group has ended.
 */
export const LOST_ACK: readonly SourcePatch[] = [
  {
    id: 'wal-acknowledges-early',
    file: 'libs/wal/src/disk-wal.ts',
    find: `    this.fileOperations++;
    this.file.write(at, parts, (error) => {
      if (this.endedBadly(error)) return;
      if (!this.syncsGroups`,
    replace: `    const { clock } = this.state;
    const dueAt = (clock.now() + ${HELD_BACK_MICROS}) as Instant;
    this.heldBack.push({ file: this.file, at, parts: parts.map((part) => part.slice()), dueAt });
    this.writeHeldBack();
    clock.defer(() => this.endGroup(group, startedAt));
  }

  private readonly heldBack: {
    file: DiskFile;
    at: number;
    parts: Uint8Array[];
    dueAt: Instant;
  }[] = [];
  private writingHeldBack = false;

  private writeHeldBack(): void {
    const next = this.heldBack[0];
    if (this.writingHeldBack || next === undefined) return;
    this.writingHeldBack = true;
    this.state.clock.schedule(next.dueAt, () => {
      next.file.write(next.at, next.parts, () => {
        this.heldBack.shift();
        this.writingHeldBack = false;
        this.writeHeldBack();
      });
    });
  }

  /** What the log did before; nothing calls it. */
  protected writeAtOnce(at: number, parts: readonly Uint8Array[], group: EncodedGroup): void {
    const startedAt = this.state.clock.now();
    this.fileOperations++;
    this.file.write(at, parts, (error) => {
      if (this.endedBadly(error)) return;
      if (!this.syncsGroups`,
  },
];
