import type { LogIndex, NodeId, WalRecord } from '@quorate/consensus';
import { assert } from '@quorate/foundation';
import type { FollowerChannel } from './follower-channel.ts';
import type { ZabMessage } from './messages.ts';
import type { Server } from './server.ts';

interface Batch {
  readonly from: LogIndex;
  readonly committed: LogIndex;
  readonly records: WalRecord[];
  readonly bytes: number;
  readonly to: NodeId[];
}

/**
 * Builds what a leader sends in one turn: per follower its control packets, DIFF or PROPOSE within
 * its window (one message, unless a backlog is longer than a message may be), and a COMMIT when no
 * PROPOSE carries it. Followers at the same place share one message.
 *
 * What leaves before this turn's batch is durable, once currentEpoch is: PROPOSE, because the
 * leader counts its own copy only after persist and a restarted leader goes through an election
 * first; COMMIT, UPTODATE and the synchronization packets, because they state only what a quorum
 * holds or what PROPOSE could state. Until currentEpoch is durable everything waits for it.
 */
export class ChannelSender {
  private readonly server: Server;
  private readonly channels: Map<NodeId, FollowerChannel>;

  constructor(server: Server, channels: Map<NodeId, FollowerChannel>) {
    this.server = server;
    this.channels = channels;
  }

  /** The channels in the order of their ids. */
  sorted(): FollowerChannel[] {
    return [...this.channels.values()].sort((a, b) => a.id - b.id);
  }

  /** True when a flush would send something to this follower. */
  hasWork(channel: FollowerChannel): boolean {
    if (channel.control.length > 0 || channel.upToDate === 'due') return true;
    if (!channel.isStreaming) return false;
    const { history } = this.server;
    if (channel.nextIndex <= history.baseIndex || this.isCommitDue(channel)) return true;
    const end = channel.state === 'diff' ? channel.syncEnd : history.lastIndex;
    return channel.nextIndex <= end ? this.hasRoom(channel) : channel.state === 'diff';
  }

  flush(epoch: number, early: boolean): void {
    const channels: FollowerChannel[] = [];
    for (const channel of this.sorted()) {
      this.sendControl(channel, early);
      if (!channel.isStreaming) continue;
      if (channel.nextIndex <= this.server.history.baseIndex) {
        // It fell behind what is kept in memory: only a new synchronization helps.
        this.server.out.sessionsToReset.push(channel.id);
        this.channels.delete(channel.id);
        continue;
      }
      if (channel.state === 'diff') this.sendDiff(channel, epoch, early);
      if (channel.upToDate === 'due') this.sendUpToDate(channel, epoch, early);
      if (channel.state !== 'diff') channels.push(channel);
    }
    while (this.sendProposals(channels, epoch, early)) {
      // A backlog takes several messages; the window and what is logged bound them.
    }
    this.sendCommits(channels, epoch, early);
  }

  private send(to: readonly NodeId[], message: ZabMessage, early: boolean): void {
    if (early) this.server.out.sendEarly(to, message);
    else this.server.out.sendAfterPersist(to, message);
  }

  private sendControl(channel: FollowerChannel, early: boolean): void {
    for (const message of channel.control) {
      this.send([channel.id], message, early);
      if (message.kind === 'snap') {
        this.server.out.snapshotsToSend.push({ to: channel.id, meta: message.meta });
      }
    }
    channel.control = [];
  }

  private hasRoom(channel: FollowerChannel): boolean {
    const { inflightMessagesMax, inflightBytesMax } = this.server.config.limits;
    return channel.hasRoom(inflightMessagesMax, inflightBytesMax);
  }

  private sendDiff(channel: FollowerChannel, epoch: number, early: boolean): void {
    const { history, config } = this.server;
    const { appendEntriesMax, appendBytesMax } = config.limits;
    const { nonce, syncEnd } = channel;
    while (channel.nextIndex <= syncEnd) {
      if (!this.hasRoom(channel)) return;
      const from = channel.nextIndex;
      const records = history.slice(from, syncEnd, appendEntriesMax, appendBytesMax);
      this.send([channel.id], { kind: 'diff', nonce, epoch, records }, early);
      channel.sent((from + records.length - 1) as LogIndex, payloadBytes(records));
    }
    const zxid = history.zxidAt(syncEnd);
    assert(zxid !== null, 'the end of a synchronization is in memory');
    this.send([channel.id], { kind: 'newLeader', nonce, epoch, zxid, index: syncEnd }, early);
    channel.state = 'newLeaderSent';
  }

  /** What this follower may be told committed: never beyond what it was sent. */
  private committedFor(channel: FollowerChannel, sentEnd: number): LogIndex {
    if (channel.upToDate === 'none') return 0 as LogIndex;
    return Math.min(this.server.commitIndex, sentEnd) as LogIndex;
  }

  private isCommitDue(channel: FollowerChannel): boolean {
    return this.committedFor(channel, channel.nextIndex - 1) > channel.commitSent;
  }

  /** The next PROPOSE to each follower that has room; false when none has or all have all. */
  private sendProposals(
    channels: readonly FollowerChannel[],
    epoch: number,
    early: boolean,
  ): boolean {
    const batches: Batch[] = [];
    for (const channel of channels) {
      if (channel.nextIndex > this.server.history.lastIndex || !this.hasRoom(channel)) continue;
      const batch = this.batchFrom(channel, batches);
      batch.to.push(channel.id);
      channel.sent((batch.from + batch.records.length - 1) as LogIndex, batch.bytes);
      if (batch.committed > channel.commitSent) channel.commitSent = batch.committed;
    }
    for (const { to, committed, records } of batches) {
      this.send(to, { kind: 'propose', epoch, committed, records }, early);
    }
    return batches.length > 0;
  }

  /** A COMMIT to each follower that no PROPOSE has told; one message for all that hear the same. */
  private sendCommits(channels: readonly FollowerChannel[], epoch: number, early: boolean): void {
    const commits = new Map<LogIndex, NodeId[]>();
    for (const channel of channels) {
      if (!this.isCommitDue(channel)) continue;
      const committed = this.committedFor(channel, channel.nextIndex - 1);
      channel.commitSent = committed;
      const alike = commits.get(committed);
      if (alike === undefined) commits.set(committed, [channel.id]);
      else alike.push(channel.id);
    }
    for (const [committed, to] of commits) {
      this.send(to, { kind: 'commit', epoch, committed }, early);
    }
  }

  private sendUpToDate(channel: FollowerChannel, epoch: number, early: boolean): void {
    channel.upToDate = 'sent';
    const committed = this.committedFor(channel, channel.nextIndex - 1);
    channel.commitSent = committed;
    const { nonce } = channel;
    this.send([channel.id], { kind: 'upToDate', nonce, epoch, committed }, early);
  }

  private batchFrom(channel: FollowerChannel, batches: Batch[]): Batch {
    const { history, config } = this.server;
    const { appendEntriesMax, appendBytesMax } = config.limits;
    const from = channel.nextIndex;
    const same = batches.find((batch) => batch.from === from);
    const records =
      same?.records ?? history.slice(from, history.lastIndex, appendEntriesMax, appendBytesMax);
    const committed = this.committedFor(channel, from + records.length - 1);
    if (same !== undefined && same.committed === committed) return same;
    const batch = { from, committed, records, bytes: payloadBytes(records), to: [] };
    batches.push(batch);
    return batch;
  }
}

function payloadBytes(records: readonly WalRecord[]): number {
  let bytes = 0;
  for (const record of records) bytes += record.payload.length;
  return bytes;
}
