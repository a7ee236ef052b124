#!/usr/bin/env node
// The part of the safety net that every change goes through after the tests, within minutes:
// standard seeds of each engine, the determinism check in two processes, and, by their scripts, the
// mutants that a change concerns. `--out FILE` gets `{"passed": N, "failed": N}`, one for each check.
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

const WORKSPACE = fileURLToPath(new URL('../../..', import.meta.url));
const QUORATE = fileURLToPath(new URL('./quorate.mjs', import.meta.url));
const MUTANTS = fileURLToPath(new URL('../../../libs/simulator/bin/mutants.mjs', import.meta.url));
/** Always the same ones, so that a failure is the change's and not a new seed's. */
const SEEDS = '1..200';
const SEEDS_BUDGET = '10m';
const TWICE_SEEDS = '1..10';
const MUTANTS_BUDGET = '3m';

const program = new Command('npx nx run bench:simulation-slice --')
  .description('What every change goes through after the tests: seeds, determinism, its mutants.')
  .option('--seeds <range>', 'standard seeds of each engine', SEEDS)
  .option('--twice-seeds <range>', 'seeds that run twice, in two processes', TWICE_SEEDS)
  .option('--changed-since <revision>', 'what the change is compared with (where it left main)')
  .option('--out <file>', 'write how many checks passed and failed, as JSON')
  .addHelpText('after', '\nExit codes: 0 all checks passed · 1 one failed · 64 bad flags.')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 64))
  .parse(process.argv.filter((arg) => arg !== '--'));
const values = program.opts();
const changedSince = values.changedSince ?? process.env.QUORATE_CHANGED_SINCE;
const JOBS = ['--jobs', String(availableParallelism())];

/** Runs one program to its end; what it writes to stdout is kept, or shown when `show`. */
function run(script, args, show) {
  return new Promise((resolve, reject) => {
    const stdio = ['ignore', show ? 'inherit' : 'pipe', 'inherit'];
    const child = spawn(process.execPath, [script, ...args], { cwd: WORKSPACE, stdio });
    let stdout = '';
    child.stdout?.on('data', (bytes) => {
      stdout += String(bytes);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout }));
  });
}

async function seedsPass() {
  const args = ['simulate', '--seeds', values.seeds, '--budget', SEEDS_BUDGET, ...JOBS];
  return (await run(QUORATE, args, true)).code === 0;
}

/** Each seed twice, with and without a trace, and all of it in two processes. */
async function hashesAreEqual() {
  const args = ['simulate', '--seeds', values.twiceSeeds, '--twice', '--json', ...JOBS];
  const hashes = new Set();
  for (let i = 0; i < 2; i++) {
    const { code, stdout } = await run(QUORATE, args, false);
    if (code !== 0) return false;
    const { hash, hashAgain } = JSON.parse(stdout);
    hashes.add(hash).add(hashAgain);
  }
  console.log(`hashes of four campaigns: ${[...hashes].join(', ')}`);
  return hashes.size === 1;
}

async function mutantsDie() {
  const args = ['--stages', 'script', '--budget', MUTANTS_BUDGET, ...JOBS];
  return (await run(MUTANTS, [...args, '--changed-since', revision()], true)).code === 0;
}

/** What this change is compared with: where it left the main line, or the commit before it. */
function revision() {
  if (changedSince !== undefined) return changedSince;
  const git = (...args) => {
    const options = { cwd: WORKSPACE, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
    return execFileSync('git', args, options).trim();
  };
  try {
    const fork = git('merge-base', 'HEAD', 'origin/main');
    if (fork !== git('rev-parse', 'HEAD')) return fork;
  } catch {
    // No such branch here, or no history.
  }
  return 'HEAD~1';
}

const CHECKS = [
  [`seeds ${values.seeds} of each engine`, seedsPass],
  [`determinism: seeds ${values.twiceSeeds} twice, in two processes`, hashesAreEqual],
  ['mutants that the change concerns, by their scripts', mutantsDie],
];
const verdicts = [];
for (const [title, check] of CHECKS) {
  console.log(`\n== simulation slice: ${title}`);
  const startedAt = performance.now();
  const passed = await check();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  verdicts.push({ title, passed, seconds });
}
console.log('');
for (const { title, passed, seconds } of verdicts) {
  console.log(`${passed ? 'passed' : 'FAILED'}  ${title} (${seconds} s)`);
}
const passed = verdicts.filter((verdict) => verdict.passed).length;
const failed = verdicts.length - passed;
if (values.out !== undefined) writeFileSync(values.out, JSON.stringify({ passed, failed }));
process.exitCode = failed > 0 ? 1 : 0;
