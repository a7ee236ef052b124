import type { Protocol } from '@quorate/consensus';
import { describe, it } from 'vitest';
import { agreementCases, randomFaultCases } from './cases/agreement.ts';
import { crashCases } from './cases/crashes.ts';
import { faultCases } from './cases/faults.ts';
import { limitCases } from './cases/limits.ts';
import { peerInputCases } from './cases/peer-input.ts';
import { recoveryCases } from './cases/recovery.ts';
import { type ConformanceCase, ConformanceKit, type ConformanceOptions } from './kit.ts';

/** All cases for a protocol, those aside that need more nodes than it has. */
export function conformanceCases<M>(
  protocol: Protocol<M>,
  options: ConformanceOptions<M> = {},
): { readonly name: string; run(): void }[] {
  const kit = new ConformanceKit(protocol, options);
  const sizeMax = Math.max(...kit.options.sizes);
  const cases: ConformanceCase<M>[] = [
    ...agreementCases<M>(),
    ...faultCases<M>(),
    ...limitCases<M>(),
    ...crashCases<M>(),
    ...recoveryCases<M>(),
    ...peerInputCases<M>(),
    ...randomFaultCases(kit),
  ];
  return cases
    .filter((one) => one.nodesMin <= sizeMax)
    .map((one) => ({ name: one.name, run: () => one.run(kit) }));
}

/** Declares one vitest test for each case: what an engine must do before it may be called one. */
export function conformanceSuite<M>(
  protocol: Protocol<M>,
  options: ConformanceOptions<M> = {},
): void {
  describe(`conformance of ${protocol.name}`, () => {
    for (const one of conformanceCases(protocol, options)) it(one.name, () => one.run());
  });
}
