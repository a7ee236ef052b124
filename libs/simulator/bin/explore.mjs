// Explores the small scope of engines: their interleavings, each distinct state once. Prints
// `states N` now and then, and a line `violation INVARIANT: ...` with its steps, or what was explored.
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { multiPaxos } from '@quorate/multi-paxos';
import { raft } from '@quorate/raft';
import { zab } from '@quorate/zab';
import { InvalidArgumentError, Option } from 'commander';
import { exitCodeOfFlags, nxProgram, wholeNumber } from '../src/nx-program.ts';
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

const ENGINES = Object.keys(SCOPES);
const EXAMPLES = `
Examples:
  npx nx run simulator:small-scope
  npx nx run simulator:small-scope -- --protocol zab --nodes 2 --commands 1 --crashes 0 --timeouts 1
  npx nx run simulator:small-scope -- --record results/small-scope.ndjson

Exit codes: 0 all invariants held · 1 one broke, or a scope was neither exhausted nor the asked number
of its states seen · 64 bad flags.`;

function readNames(text) {
  const names = text.split(',');
  if (names.every((name) => ENGINES.includes(name))) return names;
  throw new InvalidArgumentError(`Allowed are ${ENGINES.join(', ')}.`);
}

function countOf(text) {
  return text === '0' ? 0 : wholeNumber(text);
}

function readFlags() {
  return nxProgram(
    'simulator:small-scope',
    'Explores the interleavings of a few replicas, each distinct state once.',
  )
    .addOption(
      new Option('--protocol <names>', 'the engines, separated by commas')
        .argParser(readNames)
        .default(ENGINES, ENGINES.join(',')),
    )
    .option('--states <n>', 'distinct states of each engine', wholeNumber, 1_000_000)
    .option('--nodes <n>', 'replicas', wholeNumber, 3)
    .option('--commands <n>', 'commands that are proposed', countOf, 2)
    .option('--crashes <n>', 'power cuts', countOf, 1)
    .option('--timeouts <n>', 'timeouts that pass', countOf, 3)
    .option('--record <file>', 'append a line of JSON for each engine')
    .addHelpText('after', EXAMPLES)
    .parse()
    .opts();
}

/** Explores one engine; false when an invariant broke or the search ended early. */
function exploreEngine(name, { states: statesMax, record, nodes, commands, crashes, timeouts }) {
  const startedAt = performance.now();
  const scope = { nodes, commands, crashes, timeouts };
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
  if (record !== undefined) {
    const file = resolve(record);
    const broken = violation?.invariant ?? null;
    const row = { protocol: name, ...scope, states, transitions, depth, exhausted, broken };
    mkdirSync(dirname(file), { recursive: true });
    appendFileSync(file, `${JSON.stringify({ ...row, seconds: Number(seconds) })}\n`);
  }
  if (violation === null) return exhausted || states >= statesMax;
  process.stdout.write(`violation ${violation.invariant}: ${violation.message}\n`);
  for (const step of violation.steps) process.stdout.write(`  ${step}\n`);
  return false;
}

try {
  const flags = readFlags();
  for (const name of flags.protocol) if (!exploreEngine(name, flags)) process.exitCode = 1;
} catch (error) {
  process.exitCode = exitCodeOfFlags(error);
}
