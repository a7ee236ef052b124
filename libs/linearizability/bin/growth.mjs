#!/usr/bin/env node
// What a healthy history of 64 clients costs to judge, and how that grows with its length. Ends with
// 1 when ten times the operations cost more than fifteen times as much, in steps or in time.
import { buildWhenStale } from '../../../tools/bin/build-when-stale.mjs';

buildWhenStale();
const { checkLinearizability, generateHistory } = await import('../dist/index.js');

const RATIO_MAX = 15;
const ROUNDS = 9;
const REGISTER = { read: 5, write: 4, cas: 1, delete: 1 };
/** The lists of a key grow with its operations, and its reads with them: more keys instead. */
const KINDS = [
  { name: 'registers, 16 keys', mix: REGISTER, keys: () => 16 },
  { name: 'one register', mix: REGISTER, keys: () => 1 },
  { name: 'lists, 125 operations a key', mix: { read: 1, append: 1 }, keys: (n) => n / 125 },
];

function costOf({ mix, keys }, operations) {
  const options = { seed: 3, operations, clients: 64, mix, valuesMax: null, infoShare: 0.002 };
  const history = generateHistory({ ...options, keys: keys(operations) });
  let millis = Number.POSITIVE_INFINITY;
  let steps = 0;
  for (let round = 0; round < ROUNDS; round++) {
    // Time of the processor, so that other work of the machine counts for less.
    const before = process.cpuUsage();
    const result = checkLinearizability(history);
    const { user, system } = process.cpuUsage(before);
    millis = Math.min(millis, (user + system) / 1000);
    steps = result.stepsUsed;
    if (result.verdict !== 'linearizable') throw new Error(`${result.verdict}: ${result.reason}`);
  }
  return { steps, millis };
}

console.log(`64 clients, the best of ${ROUNDS}, processor time; 10,000 operations -> 100,000`);
for (const kind of KINDS) {
  const small = costOf(kind, 10_000);
  const large = costOf(kind, 100_000);
  const stepRatio = large.steps / small.steps;
  const timeRatio = large.millis / small.millis;
  const isTooMuch = stepRatio > RATIO_MAX || timeRatio > RATIO_MAX;
  if (isTooMuch) process.exitCode = 1;
  console.log(
    `${kind.name}: ${small.steps} -> ${large.steps} steps (x${stepRatio.toFixed(1)}), ` +
      `${small.millis.toFixed(0)} -> ${large.millis.toFixed(0)} ms (x${timeRatio.toFixed(1)})` +
      (isTooMuch ? `: more than x${RATIO_MAX}` : ''),
  );
}
