import type {
  CommittedEntry,
  LogIndex,
  NodeId,
  Ready,
  ReadyNumber,
  SnapshotMeta,
  Ticket,
  WalRecord,
} from '@quorate/consensus';
import type { RaftCore } from './core.ts';
import type { RaftMessage, Term } from './messages.ts';
import { Output } from './output.ts';
import { commitRecord, promiseRecord, snapshotRecord } from './records.ts';

/**
 * Turns what a turn produced into a Ready: the batch of records, the entries that became committed,
 * and the rest of the output. Remembers which facts the Readies taken so far have stated.
 */
export class ReadyBuilder {
  private readonly core: RaftCore;
  private count = 0;
  private term: Term;
  private votedFor: NodeId | 0;
  private snapshot: SnapshotMeta | null;
  private commitHint: LogIndex;

  constructor(core: RaftCore) {
    this.core = core;
    this.term = core.term;
    this.votedFor = core.votedFor;
    this.snapshot = core.snapshot;
    this.commitHint = core.commitIndex;
  }

  /** The number of the last Ready taken. */
  get lastNumber(): ReadyNumber {
    return this.count as ReadyNumber;
  }

  /** Takes the turn's output; `ticketOf` names the local request behind a committed entry. */
  take(ticketOf: (index: LogIndex) => Ticket): Ready<RaftMessage> {
    const { core } = this;
    this.count++;
    const number = this.lastNumber;
    const records = this.takeRecords(number);
    const committed = this.takeCommitted(ticketOf);
    const { output } = core;
    core.output = new Output();
    return {
      number,
      snapshotToInstall: output.snapshotToInstall,
      records,
      mustSync: records.length > 0,
      messages: output.messages,
      messagesAfterPersist: output.messagesAfterPersist,
      snapshotsToSend: output.snapshotsToSend,
      committed,
      readStates: output.readStates,
      abandoned: output.abandoned,
      membership: output.membership,
      sessionsToReset: [],
      events: output.events,
    };
  }

  /**
   * See `ConsensusEngine.checkpoint`: facts as of the last Ready taken, none of what is pending.
   */
  checkpoint(): WalRecord[] {
    const records: WalRecord[] = [];
    if (this.term > 0) records.push(promiseRecord(this.term, this.votedFor));
    if (this.snapshot !== null) records.push(snapshotRecord(this.snapshot));
    if (this.commitHint > 0) records.push(commitRecord(this.commitHint));
    return records;
  }

  /**
   * The batch of this Ready. The commit index is a hint and rides along with what must be synced
   * anyway: a batch of hints alone would hold back the messages that wait for it, and an idle
   * leader would look as if its disk had stalled.
   */
  private takeRecords(number: ReadyNumber): readonly WalRecord[] {
    const { core } = this;
    let { records } = core.output;
    if (core.promiseDirty) {
      records = [promiseRecord(core.term, core.votedFor), ...records];
      core.promiseDirty = false;
      core.promiseReady = number;
    }
    if (records.length === 0) return records;
    if (core.commitIndex > this.commitHint) {
      records.push(commitRecord(core.commitIndex));
      this.commitHint = core.commitIndex;
    }
    this.term = core.term;
    this.votedFor = core.votedFor;
    this.snapshot = core.snapshot;
    core.ledger.taken(number, core.log.lastIndex, core.now);
    return records;
  }

  private takeCommitted(ticketOf: (index: LogIndex) => Ticket): CommittedEntry[] {
    const { core } = this;
    const committed: CommittedEntry[] = [];
    for (let i = core.deliveredIndex + 1; i <= core.commitIndex; i++) {
      const { index, entryType, payload } = core.log.at(i as LogIndex);
      committed.push({ index, type: entryType, payload, ticket: ticketOf(index) });
    }
    core.deliveredIndex = core.commitIndex;
    return committed;
  }
}
