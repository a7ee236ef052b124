import type { LogIndex, SnapshotMeta, WalRecord } from '@quorate/consensus';
import { assert, required } from '@quorate/foundation';
import type { FollowerChannel } from './follower-channel.ts';
import type { History } from './history.ts';
import type { Diff, Snap, Trunc } from './messages.ts';
import { isTransaction, snapshotZxid } from './records.ts';
import type { Server } from './server.ts';
import { compareZxid, formatZxid, succeeds, type Zxid, zxidOf } from './zxid.ts';

/** How a leader brings one follower to its own history. */
export interface SyncPlan {
  /** DIFF appends, TRUNC cuts a tail first, SNAP replaces everything. */
  readonly kind: 'diff' | 'trunc' | 'snap';
  /** The last index that both hold afterwards, before any DIFF. */
  readonly index: LogIndex;
  readonly zxid: Zxid;
}

/**
 * Chooses DIFF, TRUNC or SNAP from a follower's last zxid. The largest own zxid at or below it is
 * common to both: a zxid determines everything before it, and a follower with transactions of an
 * epoch holds that epoch's initial history, which each later leader holds too (DSN'11, section
 * V-B). So a stray tail is cut exactly where it begins (ZB-14). A follower from before the oldest
 * transaction in memory, or one whose DIFF would exceed `bytesMax`, gets the snapshot (ZB-10).
 */
export function planSync(
  history: History,
  snapshot: SnapshotMeta | null,
  followerZxid: Zxid,
  bytesMax: number,
): SyncPlan {
  const common = history.lastAtMost(followerZxid);
  const ahead = snapshot !== null && (common === null || snapshot.index > common);
  if (common === null || (ahead && history.exceedsBytes(common, bytesMax))) {
    assert(snapshot !== null, 'a history is trimmed only under a snapshot');
    const zxid = required(snapshotZxid(snapshot), 'an own snapshot carries its zxid');
    return { kind: 'snap', index: snapshot.index, zxid };
  }
  const zxid = required(history.zxidAt(common), 'a common index is in memory');
  const kind = compareZxid(zxid, followerZxid) === 0 ? 'diff' : 'trunc';
  return { kind, index: common, zxid };
}

/** Starts to bring a follower, whose last zxid is known from its ACK-E, to the own history. */
export function beginSync(server: Server, channel: FollowerChannel, epoch: number): void {
  const { history, snapshot, config } = server;
  const plan = planSync(history, snapshot, channel.lastZxid, config.limits.syncBytesMax);
  const { nonce } = channel;
  channel.nextIndex = (plan.index + 1) as LogIndex;
  channel.syncEnd = history.lastIndex;
  if (plan.kind === 'snap') {
    const meta = required(snapshot, 'a plan of kind snap has a snapshot');
    channel.state = 'snapshot';
    channel.control.push({ kind: 'snap', nonce, epoch, meta });
    return;
  }
  channel.state = 'diff';
  if (plan.kind === 'trunc') {
    channel.control.push({ kind: 'trunc', nonce, epoch, zxid: plan.zxid, index: plan.index });
  }
}

/**
 * What a follower was sent in synchronization, kept in memory until NEWLEADER: an interrupted
 * synchronization then leaves no trace, neither in memory nor in the log (ZB-12, ZB-13), and all
 * of it becomes durable in one batch with currentEpoch.
 */
export class Staging {
  endIndex: LogIndex;
  endZxid: Zxid;
  private readonly history: History;
  private readonly commitIndex: LogIndex;
  private truncateTo: LogIndex | null = null;
  private announced: SnapshotMeta | null = null;
  private held: SnapshotMeta | null = null;
  private readonly records: WalRecord[] = [];

  constructor(history: History, commitIndex: LogIndex) {
    this.history = history;
    this.commitIndex = commitIndex;
    this.endIndex = history.lastIndex;
    this.endZxid = history.lastZxid;
  }

  /** True between the announcement of a snapshot and its complete file. */
  get awaitsSnapshot(): boolean {
    return this.announced !== null && this.held === null;
  }

  /** Takes one packet; returns what is wrong with it, or null. */
  take(message: Trunc | Snap | Diff): string | null {
    if (message.kind === 'diff') return this.takeDiff(message);
    if (this.records.length > 0) return `${message.kind} behind transactions`;
    return message.kind === 'trunc' ? this.takeTrunc(message) : this.takeSnap(message);
  }

  private takeTrunc(message: Trunc): string | null {
    if (message.index < this.commitIndex) return 'trunc of committed transactions';
    const zxid = this.history.zxidAt(message.index);
    if (zxid === null || compareZxid(zxid, message.zxid) !== 0) {
      return `trunc to ${formatZxid(message.zxid)}, which is not in the history`;
    }
    this.truncateTo = message.index;
    this.endIndex = message.index;
    this.endZxid = zxid;
    return null;
  }

  private takeSnap(message: Snap): string | null {
    const zxid = snapshotZxid(message.meta);
    if (zxid === null || message.meta.index <= this.commitIndex) return 'a useless snapshot';
    this.announced = message.meta;
    this.held = null;
    this.endIndex = message.meta.index;
    this.endZxid = zxid;
    return null;
  }

  private takeDiff(message: Diff): string | null {
    if (this.awaitsSnapshot) return 'diff before the snapshot was complete';
    for (const record of message.records) {
      const zxid = zxidOf(record);
      const fits = record.index === this.endIndex + 1 && succeeds(this.endZxid, zxid);
      if (!fits || record.round > message.epoch || !isTransaction(record)) {
        return `diff ${formatZxid(zxid)} behind ${formatZxid(this.endZxid)}`;
      }
      this.records.push(record);
      this.endIndex = record.index;
      this.endZxid = zxid;
    }
    return null;
  }

  /** Takes note that the announced file is durable here; false when another one was announced. */
  holdSnapshot(meta: SnapshotMeta): boolean {
    const { announced } = this;
    if (announced === null || this.held !== null) return false;
    if (announced.index !== meta.index || announced.digest !== meta.digest) return false;
    this.held = announced;
    return true;
  }

  /** Records the staged history as the server's own. */
  install(server: Server): void {
    assert(!this.awaitsSnapshot, 'the snapshot is complete');
    if (this.held !== null) server.installSnapshot(this.held);
    else if (this.truncateTo !== null) server.truncateAfter(this.truncateTo);
    for (const record of this.records) server.append(record);
  }
}
