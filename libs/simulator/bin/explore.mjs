// Explores the small scope of one engine: `--protocol NAME --states N`. Prints `states N` now and
// then, a line `violation INVARIANT: ...` with its steps, or what was explored. `--record FILE`
// appends a line of JSON for each engine. The exit code is 1 when an invariant broke, or when a scope
// was neither exhausted nor the asked number of its states seen.
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { multiPaxos } from '@quorate/multi-paxos';
import { raft } from '@quorate/raft';
import { zab } from '@quorate/zab';
import { explore } from '../src/small-scope/explore.ts';

// The paper's own rules: what only guides elections would multiply states and add no danger.
const SCOPES = {
  raft: { protocol: raft, variants: { preVote: false, checkQuorum: false }, leaderPerRound: true },
  'multi-paxos': {
    protocol: multiPaxos,
    variants: { leaderStickiness: false, checkQuorum: false },
    leaderPerRound: false,
  },
  zab: { protocol: zab, variants: { finalizeWaitMicros: 0 }, leaderPerRound: true },
};

const { values } = parseArgs({
  options: {
    protocol: { type: 'string' },
    states: { type: 'string' },
    nodes: { type: 'string' },
    timeouts: { type: 'string' },
    crashes: { type: 'string' },
    commands: { type: 'string' },
    record: { type: 'string' },
  },
});
const names = (values.protocol ?? 'raft,multi-paxos,zab').split(',');
for (const name of names) {
  const startedAt = performance.now();
  const scope = {
    nodes: Number(values.nodes ?? 3),
    commands: Number(values.commands ?? 2),
    crashes: Number(values.crashes ?? 1),
    timeouts: Number(values.timeouts ?? 3),
  };
  const statesMax = Number(values.states ?? 1_000_000);
  const { states, transitions, nodeStates, depth, exhausted, violation } = explore({
    ...SCOPES[name],
    ...scope,
    statesMax,
    progress: (count) => process.stdout.write(`states ${count}\n`),
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(
    `${name}: ${states} distinct states, ${transitions} transitions, ${nodeStates} states of ` +
      `single replicas, depth ${depth}, ${exhausted ? 'exhausted' : 'not exhausted'}, ` +
      `${seconds} s\n`,
  );
  if (values.record !== undefined) {
    const file = resolve(values.record);
    const broken = violation?.invariant ?? null;
    const row = { protocol: name, ...scope, states, transitions, depth, exhausted, broken };
    mkdirSync(dirname(file), { recursive: true });
    appendFileSync(file, `${JSON.stringify({ ...row, seconds: Number(seconds) })}\n`);
  }
  if (violation === null && !exhausted && states < statesMax) process.exitCode = 1;
  if (violation !== null) {
    process.stdout.write(`violation ${violation.invariant}: ${violation.message}\n`);
    for (const step of violation.steps) process.stdout.write(`  ${step}\n`);
    process.exitCode = 1;
  }
}
