import type {
  ClientErrorCode,
  ClientService,
  LeaderHint,
  ReadAnswer,
  ServiceError,
} from '@quorate/client';
import type { ReadLevel } from '@quorate/consensus';
import { NO_BYTES } from '@quorate/foundation';
import type { KvStateMachine } from '@quorate/kv';
import type { ProposeOutcome, ReadOutcome, Replica } from '@quorate/replica';
import { checkEncodedCommand, type KeyValueLimits } from './command-check.ts';

/** Where the members listen, as far as this replica has been told. */
export interface MemberDirectory {
  /** The client port of a member, empty when it is not known. */
  clientAddress(id: number): string;
}

/**
 * The replica as the clients of its stream port see it. Callbacks only: this is the way of every
 * measured operation. It never forwards; a client that asks the wrong replica gets a hint.
 */
export class ReplicaService implements ClientService {
  private readonly replica: Replica;
  private readonly stateMachine: KvStateMachine;
  private readonly directory: MemberDirectory;
  private readonly limits: KeyValueLimits;
  private readonly statusJson: () => string;

  constructor(options: {
    readonly replica: Replica;
    readonly stateMachine: KvStateMachine;
    readonly directory: MemberDirectory;
    readonly limits: KeyValueLimits;
    readonly statusJson: () => string;
  }) {
    this.replica = options.replica;
    this.stateMachine = options.stateMachine;
    this.directory = options.directory;
    this.limits = options.limits;
    this.statusJson = options.statusJson;
  }

  write(
    command: Uint8Array,
    _timeoutMicros: number,
    done: (error: ServiceError | null, result: Uint8Array) => void,
  ): void {
    const fault = checkEncodedCommand(command, this.limits);
    if (fault !== null) {
      done({ code: fault.code, outcome: 'none', message: fault.message, leader: null }, NO_BYTES);
      return;
    }
    this.replica.propose(command, (outcome) => {
      if (outcome.kind === 'applied') done(null, outcome.result);
      else done(this.errorOf(outcome), NO_BYTES);
    });
  }

  read(
    key: Uint8Array,
    level: ReadLevel,
    _timeoutMicros: number,
    done: (error: ServiceError | null, answer: ReadAnswer) => void,
  ): void {
    if (level === 'lease') {
      const message = 'lease reads do not exist yet';
      done({ code: 'bad_request', outcome: 'none', message, leader: null }, NOTHING_READ);
      return;
    }
    this.replica.read(level, (outcome) => {
      if (outcome.kind !== 'ready') {
        done(this.errorOf(outcome), NOTHING_READ);
        return;
      }
      const found = this.stateMachine.get(key);
      const { appliedIndex } = outcome;
      if (found === null) done(null, { value: null, revision: 0, appliedIndex });
      else done(null, { value: found.value, revision: found.revision, appliedIndex });
    });
  }

  status(done: (error: ServiceError | null, json: string) => void): void {
    done(null, this.statusJson());
  }

  atTurnEnd(callback: () => void): void {
    this.replica.atTurnEnd(callback);
  }

  private errorOf(
    outcome: Exclude<ProposeOutcome | ReadOutcome, { kind: 'applied' | 'ready' }>,
  ): ServiceError {
    if (outcome.kind === 'notLeader') return this.notLeader(outcome.leader);
    const { code, message } = ERRORS[outcome.kind];
    const isUnknown = outcome.kind === 'unknown';
    return { code, outcome: isUnknown ? 'unknown' : 'none', message, leader: null };
  }

  private notLeader(leader: number): ServiceError {
    const address = leader === 0 ? '' : this.directory.clientAddress(leader);
    const hint: LeaderHint | null = address === '' ? null : { id: leader, address };
    const code = leader === 0 ? 'no_leader' : 'not_leader';
    const message = leader === 0 ? 'no leader is known' : `replica ${leader} leads`;
    return { code, outcome: 'none', message, leader: hint };
  }
}

const NOTHING_READ: ReadAnswer = { value: null, revision: 0, appliedIndex: 0 };

const ERRORS: Readonly<
  Record<
    'busy' | 'tooLarge' | 'noSpace' | 'stopping' | 'unknown' | 'abandoned',
    { readonly code: ClientErrorCode; readonly message: string }
  >
> = {
  busy: { code: 'overloaded', message: 'the proposal queue is full' },
  tooLarge: { code: 'value_too_large', message: 'the command is too large' },
  noSpace: { code: 'no_space', message: 'the disk has no room for the log' },
  stopping: { code: 'shutting_down', message: 'this replica stops' },
  unknown: { code: 'internal', message: 'leadership changed before the outcome was known' },
  // A read has no effect; asking again is all that is lost.
  abandoned: { code: 'no_leader', message: 'leadership changed during the read' },
};
