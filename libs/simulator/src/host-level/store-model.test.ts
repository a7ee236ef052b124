import { encodeCommandBatch, logIndex } from '@quorate/consensus';
import { createRandom } from '@quorate/foundation';
import {
  decodeResult,
  encodeCommand,
  type KvCommand,
  type KvCondition,
  KvStateMachine,
} from '@quorate/kv';
import { describe, expect, it } from 'vitest';
import { StoreModel } from './store-model.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('the model of the store', () => {
  it('answers what the production state machine answers to commands without a session', () => {
    const random = createRandom('store model');
    const machine = new KvStateMachine();
    const model = new StoreModel();
    const statuses = new Set<string>();
    for (let index = 1; index <= 2_000; index++) {
      const conditions: KvCondition[] = [
        { kind: 'none' },
        { kind: 'absent' },
        { kind: 'revision', revision: Math.max(0, machine.revision - random.below(3)) },
        { kind: 'value', value: text(`v${random.below(2)}`) },
      ];
      const command: KvCommand = {
        operation: random.below(3) === 0 ? 'delete' : 'put',
        key: text(`k${random.below(3)}`),
        value: text(`v${random.below(2)}`),
        condition: conditions[random.below(4)] as KvCondition,
        request: null,
      };
      const batch = encodeCommandBatch({ proposedAtMicros: 0, commands: [encodeCommand(command)] });
      const [bytes] = machine.apply(logIndex(index), batch);
      const result = decodeResult(bytes as Uint8Array);
      expect(result).toMatchObject(model.execute(command));
      statuses.add(`${command.operation} ${result.status}`);
    }
    expect([...statuses].sort()).toEqual([
      'delete cas_mismatch',
      'delete ok',
      'put cas_mismatch',
      'put ok',
    ]);
  });
});
