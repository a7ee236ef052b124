import { createInterface } from 'node:readline';
import type { ControlRequest, ReplicaLine } from '@quorate/cluster';
import { Command, CommanderError, Option } from 'commander';
import { pino } from 'pino';
import { addressSchema, readClusterFile, settingsSchema } from './cluster-file.ts';
import { answerControl } from './control.ts';
import { EXIT_FAILED, EXIT_USAGE, ServerError } from './errors.ts';
import { HealthWatch } from './gauges.ts';
import { type LaunchFlags, readyLine, serverOptions } from './launch.ts';
import { PROTOCOL_NAMES } from './protocols.ts';
import { type RunningServer, startServer } from './server.ts';
import type { ServerOptions } from './server-options.ts';

/** A stop that takes longer than this is cut short; the log makes good for it at the next start. */
const STOP_LIMIT_MS = 3_000;

const EXAMPLES = `
Examples:
  quorate-kv --id 1 --protocol raft --cluster cluster.yaml --data-dir data/1 --bootstrap new
  quorate-kv --id 1 --protocol zab --cluster cluster.yaml --data-dir data/1 --transport tcp
  curl -X PUT --data-binary 'hello' http://127.0.0.1:8101/api/kv/greeting
  curl http://127.0.0.1:8101/api/kv/greeting

The cluster file names the cluster and its members:
  clusterId: demo
  members:
    - { id: 1, http: "127.0.0.1:8101", peer: "127.0.0.1:9101", client: "127.0.0.1:7101" }

Exit codes: 0 stopped, 64 wrong usage (nothing was started), 70 failed.`;

interface CommandLine {
  readonly id: string;
  readonly protocol: string;
  readonly cluster: string;
  readonly dataDir: string;
  readonly bootstrap?: 'new' | 'existing';
  readonly listen?: string;
  readonly peerListen?: string;
  readonly clientListen?: string;
  readonly transport?: string;
  readonly clientTransport?: string;
  readonly sync?: string;
  readonly logLevel: string;
  readonly control?: 'stdio';
  readonly exitWithParent?: boolean;
}

function commandLine() {
  return new Command()
    .name('quorate-kv')
    .description('One replica of a key-value service over Raft, Multi-Paxos or ZAB.')
    .requiredOption('--id <n>', 'the id of this member in the cluster file')
    .addOption(
      new Option('--protocol <name>', 'the consensus protocol')
        .choices(PROTOCOL_NAMES)
        .makeOptionMandatory(),
    )
    .requiredOption('--cluster <file>', 'the cluster file (YAML)')
    .requiredOption('--data-dir <dir>', 'where log and snapshots live; one directory a replica')
    .addOption(
      new Option(
        '--bootstrap <how>',
        'new: make the data directory; existing: refuse an empty one',
      ).choices(['new', 'existing']),
    )
    .option('--listen <host:port>', 'HTTP address, in place of the cluster file')
    .option('--peer-listen <host:port>', 'peer address, in place of the cluster file')
    .option('--client-listen <host:port>', 'client stream address, in place of the cluster file')
    .addOption(new Option('--transport <name>', 'between replicas').choices(['grpc', 'tcp']))
    .addOption(new Option('--client-transport <name>', 'to clients').choices(['grpc', 'tcp']))
    .addOption(
      new Option('--sync <policy>', 'when a write counts as durable').choices(
        settingsSchema.shape.sync.unwrap().options,
      ),
    )
    .addOption(
      new Option('--log-level <level>', 'on stderr')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .addOption(new Option('--control <how>', 'a control channel for a harness').choices(['stdio']))
    .option('--exit-with-parent', 'stop when stdin closes')
    .addHelpText('after', EXAMPLES)
    .configureOutput({
      // A suggestion stands on the same line as what it is about.
      outputError: (text, write) =>
        write(
          `quorate-kv: ${text
            .replace(/^error: /, '')
            .trim()
            .replaceAll('\n', ' ')}\n`,
        ),
    })
    .exitOverride();
}

/** Runs the `quorate-kv` command; ends the process. */
export async function main(args: readonly string[]): Promise<void> {
  const line = parse(args);
  const logger = pino({ name: 'quorate-kv', level: line.logLevel }, pino.destination(2));
  const post = (message: ReplicaLine): void => {
    process.stdout.write(`${JSON.stringify(message)}\n`);
  };
  let server: RunningServer | null = null;
  let stopping = false;
  const stop = async (code: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(code), STOP_LIMIT_MS).unref();
    await server?.stop();
    process.exit(code);
  };
  process.on('SIGTERM', () => void stop(0));
  process.on('SIGINT', () => void stop(0));
  process.stdout.on('error', () => void stop(EXIT_FAILED)); // Whoever reads it has gone.
  try {
    const cluster = readClusterFile(line.cluster);
    const base = serverOptions(launchFlags(line), cluster, (level, text) => logger[level](text));
    if (base.settings.transport === 'message-port') {
      const message = 'transport: message-port joins worker threads; processes take grpc or tcp';
      throw new ServerError('SERVER_ERR_USAGE', message);
    }
    const options: ServerOptions = {
      ...base,
      onFatal: (code, message) => {
        post({ fatal: { code, message } });
        logger.error(`${code}: ${message}`);
        process.exit(EXIT_FAILED);
      },
      ...(line.control === 'stdio'
        ? {
            onEvent: ({ kind, round, node, detail }, atMicros) =>
              post({ event: kind, atMicros, round, node, detail }),
          }
        : {}),
    };
    const health = new HealthWatch();
    server = await startServer(options);
    const target = { options, server, health, stop: () => void stop(0), block: null };
    if (line.control === 'stdio') {
      createInterface({ input: process.stdin }).on('line', (text) => {
        const request = JSON.parse(text) as ControlRequest & { readonly request: number };
        answerControl(target, request, post);
      });
    } else if (line.exitWithParent) process.stdin.resume();
    if (line.exitWithParent) process.stdin.on('close', () => void stop(0));
    post(readyLine(options, server));
  } catch (error) {
    refuse(error);
  }
}

function parse(args: readonly string[]): CommandLine {
  try {
    return commandLine().parse(args, { from: 'user' }).opts<CommandLine>();
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) process.exit(0);
    process.exit(EXIT_USAGE);
  }
}

function launchFlags(line: CommandLine): LaunchFlags {
  for (const [flag, address] of [
    ['--listen', line.listen],
    ['--peer-listen', line.peerListen],
    ['--client-listen', line.clientListen],
  ]) {
    if (address === undefined || addressSchema.safeParse(address).success) continue;
    throw new ServerError('SERVER_ERR_USAGE', `${flag} ${address}: an address is host:port`);
  }
  if (!/^[1-9]\d{0,8}$/.test(line.id)) {
    throw new ServerError('SERVER_ERR_USAGE', `--id ${line.id}: a member id is a whole number`);
  }
  const overrides = settingsSchema.partial().parse({
    ...(line.transport === undefined ? {} : { transport: line.transport }),
    ...(line.clientTransport === undefined ? {} : { clientTransport: line.clientTransport }),
    ...(line.sync === undefined ? {} : { sync: line.sync }),
  });
  const given = Object.fromEntries(
    Object.entries(overrides).filter(
      ([name]) => line[name as 'transport' | 'clientTransport' | 'sync'] !== undefined,
    ),
  );
  return {
    id: Number(line.id),
    protocol: line.protocol,
    dataDirectory: line.dataDir,
    ...(line.bootstrap === undefined ? {} : { bootstrap: line.bootstrap }),
    ...(line.listen === undefined ? {} : { listen: line.listen }),
    ...(line.peerListen === undefined ? {} : { peerListen: line.peerListen }),
    ...(line.clientListen === undefined ? {} : { clientListen: line.clientListen }),
    overrides: given,
  };
}

/** One line for a person, and the exit code that says whose fault it is. */
function refuse(error: unknown): never {
  const { message, code } = error as Error & { code?: string };
  process.stderr.write(`quorate-kv: ${code === undefined ? '' : `${code}: `}${message}\n`);
  const isInput =
    error instanceof ServerError || /^WAL_ERR_(EMPTY|USED|LOCKED|FOREIGN|PERM)/.test(code ?? '');
  process.exit(isInput ? EXIT_USAGE : EXIT_FAILED);
}
