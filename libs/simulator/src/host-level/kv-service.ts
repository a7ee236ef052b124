import type { ClientService, ReadAnswer, ServiceError } from '@quorate/client';
import type { ReadLevel } from '@quorate/consensus';
import { NO_BYTES } from '@quorate/foundation';
import type { KvStateMachine } from '@quorate/kv';
import type { ProposeOutcome, ReadOutcome, Replica } from '@quorate/replica';

const NOTHING_READ: ReadAnswer = { value: null, revision: 0, appliedIndex: 0 };

type Refusal = Exclude<ProposeOutcome | ReadOutcome, { kind: 'applied' | 'ready' }>;

/** What a simulated replica tells its clients; the parts are the production ones. */
export class KvService implements ClientService {
  private readonly replica: Replica;
  private readonly kv: KvStateMachine;
  private readonly clientAddress: (id: number) => string;
  private readonly onCommand: (command: Uint8Array) => void;
  private readonly onRefused: (kind: Refusal['kind']) => void;
  private readonly onRead: () => void;

  constructor(parts: {
    readonly replica: Replica;
    readonly kv: KvStateMachine;
    readonly clientAddress: (id: number) => string;
    readonly onCommand: (command: Uint8Array) => void;
    readonly onRefused: (kind: Refusal['kind']) => void;
    readonly onRead: () => void;
  }) {
    this.replica = parts.replica;
    this.kv = parts.kv;
    this.clientAddress = parts.clientAddress;
    this.onCommand = parts.onCommand;
    this.onRefused = parts.onRefused;
    this.onRead = parts.onRead;
  }

  write(
    command: Uint8Array,
    _timeoutMicros: number,
    done: (error: ServiceError | null, result: Uint8Array) => void,
  ): void {
    this.onCommand(command);
    this.replica.propose(command, (outcome) => {
      if (outcome.kind === 'applied') done(null, outcome.result);
      else done(this.refusal(outcome), NO_BYTES);
    });
  }

  read(
    key: Uint8Array,
    level: ReadLevel,
    _timeoutMicros: number,
    done: (error: ServiceError | null, answer: ReadAnswer) => void,
  ): void {
    this.replica.read(level === 'stale' ? 'stale' : 'linearizable', (outcome) => {
      if (outcome.kind !== 'ready') {
        done(this.refusal(outcome), NOTHING_READ);
        return;
      }
      this.onRead();
      const { appliedIndex } = outcome;
      const { value, revision } = this.kv.get(key) ?? { value: null, revision: 0 };
      done(null, { value, revision, appliedIndex });
    });
  }

  status(done: (error: ServiceError | null, json: string) => void): void {
    done(null, '{}');
  }

  private refusal(outcome: Refusal): ServiceError {
    this.onRefused(outcome.kind);
    const error = (code: ServiceError['code'], isUnknown = false): ServiceError => ({
      code,
      outcome: isUnknown ? 'unknown' : 'none',
      message: outcome.kind,
      leader: null,
    });
    switch (outcome.kind) {
      case 'busy':
        return error('overloaded');
      case 'tooLarge':
        return error('value_too_large');
      case 'noSpace':
        return error('no_space');
      case 'stopping':
        return error('shutting_down');
      case 'abandoned':
        return error('no_leader');
      case 'unknown':
        return error('internal', true);
      case 'notLeader': {
        if (outcome.leader === 0) return error('no_leader');
        const leader = { id: outcome.leader, address: this.clientAddress(outcome.leader) };
        return { ...error('not_leader'), leader };
      }
    }
  }
}
