import {
  EntryType,
  type LogIndex,
  NO_TICKET,
  type NodeId,
  type RequestStatus,
  type Ticket,
} from '@quorate/consensus';
import { assert, NO_BYTES } from '@quorate/foundation';
import { quorumIndex } from '@quorate/quorum';
import type { FollowerChannel } from './follower-channel.ts';
import type { Server } from './server.ts';

/**
 * Phase 3 at the primary: numbers the transactions of one epoch, logs them, and commits them
 * strictly in order once a quorum has logged them (DSN'11, section V-A, broadcast). Sending is the
 * business of the channels: a primary's log is their queue.
 */
export class Broadcast {
  readonly epoch: number;
  /** The last index of the epoch's initial history, committed when broadcast began. */
  readonly initialEnd: LogIndex;
  private readonly server: Server;
  private readonly channels: ReadonlyMap<NodeId, FollowerChannel>;
  private counter = 0;
  private uncommittedBytes = 0;

  constructor(server: Server, epoch: number, channels: ReadonlyMap<NodeId, FollowerChannel>) {
    this.server = server;
    this.epoch = epoch;
    this.channels = channels;
    this.initialEnd = server.history.lastIndex;
    server.commitUpTo(this.initialEnd);
    server.event('serving', epoch, server.id, `history ends at ${this.initialEnd}`);
    server.event('leaderChanged', epoch, server.id, 'this server leads');
    // Not in the paper: a first transaction of the epoch, so that "first commit" means the same
    // for each protocol, whether or not a client happens to write.
    if (server.variants.noopAtBroadcastStart === true) {
      this.log(EntryType.noop, NO_BYTES, NO_TICKET);
    }
  }

  /** True when the epoch has no zxid left: a new epoch must begin (ZB-26). */
  get isUsedUp(): boolean {
    return this.counter >= Number(this.server.variants.zxidCounterMax);
  }

  /** Logs one client request, within the limits. */
  propose(payload: Uint8Array, ticket: Ticket): RequestStatus {
    assert(!this.isUsedUp, 'the epoch has a zxid left');
    const { history, commitIndex, config } = this.server;
    const { payloadBytesMax, uncommittedEntriesMax, uncommittedBytesMax } = config.limits;
    if (payload.length > payloadBytesMax) return 'tooLarge';
    if (history.lastIndex - commitIndex >= uncommittedEntriesMax) return 'busy';
    const bytes = this.uncommittedBytes + payload.length;
    if (bytes > uncommittedBytesMax && this.uncommittedBytes > 0) return 'busy';
    this.log(EntryType.command, payload, ticket);
    return 'accepted';
  }

  private log(type: EntryType, payload: Uint8Array, ticket: Ticket): void {
    this.counter++;
    this.uncommittedBytes += payload.length;
    this.server.log({ epoch: this.epoch, counter: this.counter }, type, payload, ticket);
  }

  /** Commits what a quorum has logged; the own log counts only once it is durable. */
  advanceCommit(): void {
    const { server } = this;
    const index = quorumIndex(server.quorum, (voter) => {
      if (voter === server.id) return server.persistedIndex;
      const channel = this.channels.get(voter);
      return channel?.state === 'synced' ? channel.matchIndex : (0 as LogIndex);
    });
    const before = server.commitIndex;
    if (index <= before) return;
    assert(before >= this.initialEnd, 'the initial history was committed at the start');
    for (let at = before + 1; at <= index; at++) {
      this.uncommittedBytes -= server.history.at(at as LogIndex).payload.length;
    }
    server.commitUpTo(index);
    if (before === this.initialEnd) {
      server.event('firstCommit', this.epoch, server.id, `index ${before + 1}`);
    }
  }
}
