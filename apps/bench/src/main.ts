import { Command, CommanderError } from 'commander';
import { simulateCommand } from './commands/simulate-command.ts';
import { ExitCode, UsageError, ViolationError } from './errors.ts';
import { listScenarios, listStories } from './scenario/catalogue.ts';

const EXIT_CODES = `
Exit codes: 0 ran and all objectives hold · 1 an objective fell short · 2 undecided (too few
trials, a fault not proven, the harness was the limit) · 3 a correctness violation · 64 wrong usage,
nothing was started · 70 the program failed · 130 interrupted.`;

const EXAMPLES: Readonly<Record<string, string>> = {
  quorate: `
Examples:
  quorate list
  quorate run quick-comparison
  quorate run benchmarks/failover-slo.yaml --slo "failover.p99 < 1s"
  quorate report results/<folder> --validate
  quorate check results/<folder>/histories/raft-0.ndjson.gz`,
  run: `
Examples:
  quorate run quick-comparison
  quorate run quick-comparison --protocol raft,zab --nodes 5 --transport tcp
  quorate run failover-slo --slo "failover.p99 < 1s" --slo "acked_lost == 0"
  quorate run latency-throughput --rate 1000,2000,4000 --blocks 5 --out /tmp/results
  quorate run write-throughput --closed 64 --sync none`,
  check: `
Examples:
  quorate check history.ndjson
  quorate check results/<folder>/histories/zab-0.ndjson.gz --html violation.html
  quorate check other-tool.ndjson --initial 0 --json

A history has one event a line, in Jepsen's words:
  {"time":0,"process":1,"type":"invoke","f":"write","key":"k","value":"a"}
  {"time":9,"process":1,"type":"ok","f":"write","key":"k","value":"a"}
Exit codes: 0 linearizable · 3 not linearizable · 2 unknown (a limit was reached) · 64 bad input.`,
  report: `
Examples:
  quorate report results/<folder>             draws report.html, report.md and the charts again
  quorate report results/<folder> --validate  checks run.json and the files it names`,
  simulate: `
Examples:
  quorate simulate --protocol all --seeds 1..100
  quorate simulate --protocol raft --seeds 7 --faults kill,powerCutAll --nodes 5
  quorate simulate --protocol all --seeds 1..3000 --twice --budget 30m --record
  quorate simulate --resume results/.simulation-<time>.ndjson
  quorate simulate --protocol zab --seeds 7 --shrink
  quorate simulate --protocol zab --seeds 7 --trace zab-7.ndjson

Production replicas, logs and clients on virtual time, with faults drawn from the seed. A failure
prints the broken invariant and the command that replays it, and the campaign goes on; after ten
failures (--failures) no run begins any more. --shrink finds a smaller case. A campaign that is
interrupted, or whose budget is spent, prints the command that goes on with it; its totals and hash
are then those of an uninterrupted one.
Exit codes: 0 clean · 1 a coverage probe was never hit · 3 an invariant is broken · 64 bad flags ·
130 interrupted.`,
  wal: `
Examples:
  quorate wal dump data/1
  quorate wal verify data/1`,
};

// Each command loads its own libraries when it is asked for: charts take longer to load than a
// wrong flag takes to refuse.

/** Runs the `quorate` command with `args`; ends the process with the exit code. */
export async function main(args: readonly string[]): Promise<void> {
  let exitCode: number = ExitCode.ok;
  const program = commandLine(args, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    exitCode = report(error);
  }
  // Nothing that is left over (an idle socket, a timer) may keep a finished command alive.
  process.exit(exitCode);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  if (error instanceof UsageError) {
    process.stderr.write(`quorate: ${error.message}\n`);
    return ExitCode.usage;
  }
  if (error instanceof ViolationError) {
    process.stderr.write(`quorate: violation: ${error.message}\n`);
    return ExitCode.violation;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`quorate: the program failed: ${text}\n`);
  return ExitCode.failed;
}

function commandLine(args: readonly string[], exit: (code: number) => void): Command {
  const program = new Command('quorate')
    .description('Runs Raft, Multi-Paxos and ZAB under identical faults and measures them.')
    .exitOverride()
    .showHelpAfterError('(add --help for the options and examples)')
    .addHelpText('after', `${EXAMPLES.quorate}\n${EXIT_CODES}`);
  addRun(program, args, exit);
  addSimulate(program, exit);
  program
    .command('report <folder>')
    .description('draw the report of a run folder again, or validate it')
    .option('--validate', 'check run.json against its schema, and the files that it names')
    .addHelpText('after', EXAMPLES.report ?? '')
    .action(async (folder: string, flags) => {
      const { reportCommand } = await import('./commands/report-command.ts');
      exit(await reportCommand(folder, flags));
    });
  program
    .command('check <history>')
    .description('judge whether a recorded history is linearizable')
    .option('--model <name>', 'register, also called kv: what each key is', 'register')
    .option('--initial <value>', 'the value of each key at the start (JSON; default: no such key)')
    .option('--time-limit <seconds>', 'after this the verdict is unknown', '60')
    .option('--memory-limit <MiB>', 'beyond this the verdict is unknown', '1024')
    .option('--html <file>', 'write a drawing of the smallest failing part')
    .option('--json', 'the verdict as JSON on stdout')
    .addHelpText('after', EXAMPLES.check ?? '')
    .action(async (history: string, flags) => {
      const { checkCommand } = await import('./commands/check-command.ts');
      exit(checkCommand(history, flags));
    });
  program
    .command('list')
    .description('name the scenarios that come with Quorate')
    .action(() => {
      const line = ({ name, description }: { name: string; description: string }): string =>
        `${name.padEnd(26)}${description}\n`;
      process.stdout.write(listScenarios().map(line).join(''));
      process.stdout.write('\nStories, in the simulator, with checked statements:\n');
      process.stdout.write(listStories().map(line).join(''));
    });
  const wal = program
    .command('wal')
    .description('look into the write-ahead log of a stopped replica')
    .addHelpText('after', EXAMPLES.wal ?? '');
  wal
    .command('dump <directory>')
    .description('print every record')
    .action(async (directory: string) => {
      const { walDumpCommand } = await import('./commands/wal-command.ts');
      exit(await walDumpCommand(directory));
    });
  wal
    .command('verify <directory>')
    .description('check every checksum and say how recovery would decide')
    .action(async (directory: string) => {
      const { walVerifyCommand } = await import('./commands/wal-command.ts');
      exit(await walVerifyCommand(directory));
    });
  return program;
}

function addSimulate(program: Command, exit: (code: number) => void): void {
  program
    .command('simulate')
    .description('run production replicas on virtual time under random faults, seed by seed')
    .option('--protocol <names>', 'raft, multi-paxos, zab or all; several with commas (all)')
    .option('--seeds <a..b>', 'a seed or a range of seeds (1..20)')
    .option('--nodes <n>', 'replicas, 2 to 9 (default: drawn from the seed)')
    .option('--clients <n>', 'clients, 1 to 16 (default: drawn from the seed)')
    .option('--until <seconds>', 'length of the phase with faults, 1 to 60 (60)')
    .option(
      '--faults <kinds>',
      'the fault kinds to draw from, or none (default: all; a wrong one lists them)',
    )
    .option('--drop <numbers>', 'leave out these faults of the seed’s schedule, like 0..6,9')
    .option('--twice', 'run each seed twice and compare the trace hashes')
    .option('--jobs <n>', 'runs side by side (2)')
    .option('--budget <time>', 'begin no run after this: 30s, 10m, 2h')
    .option('--failures <n>', 'begin no run when so many have failed (10)')
    .option('--resume <file>', 'go on with a campaign that did not come to its end')
    .option('--shrink', 'of one failing seed: look for a smaller case that still fails')
    .option('--trace <file>', 'of one seed: write every event, and a log for ShiViz beside it')
    .option('--record', 'append the totals to results/simulation.ndjson')
    .option('--json', 'the totals as JSON on stdout')
    .addHelpText('after', EXAMPLES.simulate ?? '')
    .action(async (flags) => exit(await simulateCommand(flags)));
}

function addRun(program: Command, args: readonly string[], exit: (code: number) => void): void {
  const collect = (value: string, before: string[] | undefined): string[] => [
    ...(before ?? []),
    value,
  ];
  program
    .command('run <scenario>')
    .description('run a scenario: a file, or a name from `quorate list`')
    .option('--protocol <names>', 'raft, multi-paxos, zab, none; several with commas')
    .option('--nodes <n>', 'replicas of each cluster, 1 to 9')
    .option(
      '--runtime <name>',
      'process, worker or sim (virtual time: exact counts, no machine’s latencies)',
    )
    .option('--transport <name>', 'grpc, tcp or message-port')
    .option('--sync <policy>', 'each, group, periodic, none or memory')
    .option('--rate <n>', 'open loop at these operations a second; several with commas')
    .option('--closed <n>', 'closed loop with this many in flight; several with commas')
    .option('--seconds <n>', 'length of each load step')
    .option('--blocks <n>', 'interleaved repetitions')
    .option('--trials <n>', 'repetitions of each repeating fault; of a story, of the whole')
    .option('--seed <n>', 'the seed of load, faults and order')
    .option(
      '--slo <expression>',
      'an objective in place of the scenario’s; may be repeated',
      collect,
    )
    .option('--out <folder>', 'where the run folder goes', 'results')
    .option('--quick', 'stamp the result "not for comparison"')
    .option('--json', 'print run.json on stdout')
    .option('--record', 'of a story: write what it came to into its table below results/')
    .addHelpText('after', `${EXAMPLES.run}\n${EXIT_CODES}`)
    .action(async (scenario: string, flags) => {
      const { runCommand } = await import('./commands/run-command.ts');
      exit(await runCommand(scenario, flags, ['quorate', ...args]));
    });
}
