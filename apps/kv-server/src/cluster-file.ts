import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { ServerError } from './errors.ts';

const PORT_MAX = 65_535;

/** Where something listens: `host:port`, IPv6 hosts in brackets, port 0 for any free one. */
export const addressSchema = z
  .string()
  .regex(/^[^\s:]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i, 'an address is host:port, port 0 allowed')
  .refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= PORT_MAX, {
    message: `a port is at most ${PORT_MAX}`,
  });

const positive = z.number().int().positive();

const memberSchema = z.strictObject({
  id: positive,
  http: addressSchema,
  peer: addressSchema,
  client: addressSchema,
});

/** Settings that may stand in the cluster file and, under the same names, among the flags. */
export const settingsSchema = z.strictObject({
  transport: z.enum(['grpc', 'tcp', 'message-port']).default('grpc'),
  clientTransport: z.enum(['grpc', 'tcp']).default('tcp'),
  sync: z.enum(['each', 'group', 'periodic', 'none', 'memory']).default('group'),
  heartbeatMs: z.number().positive().default(50),
  electionTimeoutMs: z.tuple([z.number().positive(), z.number().positive()]).default([150, 300]),
  detector: z.enum(['timers', 'timers+socket']).default('timers'),
  variants: z.record(z.string(), z.union([z.boolean(), z.number(), z.string()])).default({}),
  batchCommandsMax: positive.optional(),
  batchBytesMax: positive.optional(),
  inFlightBatchesMax: positive.optional(),
  proposalsQueuedMax: positive.optional(),
  segmentBytes: positive.optional(),
  snapshotEveryEntries: positive.optional(),
  keyBytesMax: positive.optional(),
  valueBytesMax: positive.optional(),
  requestTimeoutMs: positive.default(5_000),
});

const clusterSchema = z.strictObject({
  clusterId: z.string().min(1).max(64),
  members: z.array(memberSchema).min(1).max(99),
  ...settingsSchema.shape,
});

/** Where a member listens. */
export type ClusterMember = z.infer<typeof memberSchema>;
/** The settings of a replica, defaults filled in. */
export type ServerSettings = z.infer<typeof settingsSchema>;
/** A parsed cluster file. */
export interface ClusterFile {
  readonly clusterId: string;
  readonly members: readonly ClusterMember[];
  readonly settings: ServerSettings;
}

/** Reads and checks a cluster file. Throws {@link ServerError} that names file, line and reason. */
export function readClusterFile(file: string): ClusterFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new ServerError('SERVER_ERR_CLUSTER_FILE', `${file}: cannot be read (${why})`);
  }
  return parseClusterFile(text, file);
}

/** Checks the text of a cluster file; `file` names it in errors. */
export function parseClusterFile(text: string, file: string): ClusterFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const refuse = (offset: number, message: string): never => {
    const { line } = lines.linePos(offset);
    throw new ServerError('SERVER_ERR_CLUSTER_FILE', `${file}:${line}: ${message}`);
  };
  const broken = document.errors[0];
  if (broken) refuse(broken.pos[0], broken.message);
  const parsed = clusterSchema.safeParse(document.toJS());
  if (!parsed.success) {
    // A misspelt key is also a missing one; the misspelling is what a person can act on.
    const { issues } = parsed.error;
    const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
    const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
    const above = (issue?.path ?? []) as (string | number)[];
    const path = unknown === undefined ? above : [...above, unknown];
    const node = document.getIn(path, true) as { range?: [number, number, number] } | undefined;
    const parent = document.getIn(path.slice(0, -1), true) as typeof node;
    const offset = node?.range?.[0] ?? parent?.range?.[0] ?? 0;
    const name = path.length > 0 ? `${path.join('.')}: ` : '';
    const known = Object.keys(above.length === 0 ? clusterSchema.shape : memberSchema.shape);
    const message =
      unknown === undefined
        ? (issue?.message ?? 'not understood')
        : `unknown key; allowed: ${known.join(', ')}`;
    refuse(offset, `${name}${message}`);
  }
  const { clusterId, members, ...settings } = parsed.data as z.infer<typeof clusterSchema>;
  const ids = new Set(members.map((member) => member.id));
  const offsetOf = (name: string): number =>
    (document.getIn([name], true) as { range?: [number] } | undefined)?.range?.[0] ?? 0;
  if (ids.size !== members.length) refuse(offsetOf('members'), 'members: two members share an id');
  const [electionMinMs, electionMaxMs] = settings.electionTimeoutMs;
  if (electionMinMs > electionMaxMs || electionMinMs <= settings.heartbeatMs) {
    const message = `electionTimeoutMs: it begins above heartbeatMs (${settings.heartbeatMs})`;
    refuse(offsetOf('electionTimeoutMs'), `${message} and does not fall`);
  }
  return { clusterId, members, settings };
}
