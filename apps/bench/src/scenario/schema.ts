import { z } from 'zod';
import { storySchemaOf } from '../stories/story-schema.ts';

/** A time span as people write it: `150ms`, `3s`, `2m`; in milliseconds after parsing. */
export const durationMs = z
  .union([z.string(), z.number()])
  .transform((value, context) => {
    const match = /^(\d+(?:\.\d+)?)\s*(us|ms|s|m)$/.exec(String(value).trim());
    if (match === null) {
      context.addIssue({ code: 'custom', message: 'a time span is written 150ms, 3s or 2m' });
      return z.NEVER;
    }
    const unit = { us: 0.001, ms: 1, s: 1000, m: 60_000 }[match[2] as 'us' | 'ms' | 's' | 'm'];
    return Number(match[1]) * unit;
  })
  .meta({ description: 'a time span: 150ms, 3s, 2m' });

/** The protocols that a scenario may name; `none` is the unreplicated baseline. */
export const PROTOCOLS = ['raft', 'multi-paxos', 'zab', 'none'] as const;

/** Where replicas may run. */
export const RUNTIMES = ['process', 'worker', 'sim'] as const;
/** What may join replicas. */
export const TRANSPORTS = ['grpc', 'tcp', 'message-port'] as const;
/** When a write counts as durable. */
export const SYNC_POLICIES = ['each', 'group', 'periodic', 'none', 'memory'] as const;

const share = z.number().min(0).max(100);

const mixSchema = z
  .strictObject({
    put: share.default(0),
    get: share.default(0),
    delete: share.default(0),
    cas: share.default(0),
  })
  .refine((mix) => mix.put + mix.get + mix.delete + mix.cas > 0, 'a mix names at least one share');

const loadSchema = z.strictObject({
  mode: z.enum(['open', 'closed']).default('open').describe('open loop is the default'),
  arrival: z.enum(['poisson', 'uniform']).default('poisson'),
  rates: z.array(z.number().positive()).min(1).max(50).optional().describe('operations a second'),
  inFlight: z.array(z.number().int().positive().max(65_536)).min(1).max(50).optional(),
  secondsEach: z.number().positive().max(600).default(3).describe('per rate or in-flight level'),
  mix: mixSchema.default({ put: 60, get: 35, delete: 0, cas: 5 }),
  keys: z.number().int().positive().max(4_194_304).default(2_000),
  keyDistribution: z.enum(['uniform', 'zipf', 'hot', 'sequential']).default('uniform'),
  clients: z.number().int().positive().max(256).default(4).describe('connections with a session'),
  valueBytes: z.number().int().min(16).max(1_048_576).default(128),
  readLevel: z.enum(['linearizable', 'stale']).default('linearizable'),
});

const anything = z.unknown();

/**
 * One fault. Its fields are listed here, so that editors can complete them; what stands in them is
 * read by the library of fault schedules, which knows the roles and the runtimes.
 */
const faultSchema = z
  .strictObject({
    at: anything.describe('time of the first occurrence, from the start of the probe: 5s'),
    jitter: anything.optional().describe('up to this much later, drawn from the seed: 150ms'),
    every: anything.optional().describe('distance of repetitions: 2500ms'),
    times: anything.optional().describe('number of repetitions; --trials sets it'),
    for: anything.optional().describe('how long what ends by itself lasts: 3s'),
    restartAfter: anything.optional().describe('restarts what was killed after this long: 1200ms'),
    kill: anything.optional().describe('a role: leader, follower, followers[0], any, node 2'),
    restart: anything.optional().describe('a role, usually killed'),
    pause: anything.optional().describe('a role'),
    cut: anything.optional().describe('{ from: leader, to: followers[0], direction: one-way }'),
    partition: anything.optional().describe('groups of roles: [[leader], [rest]]'),
    link: anything.optional().describe('{ between: all, delay: 20ms, jitter: 5ms, loss: 1% }'),
    disk: anything.optional().describe('{ on: leader, stallFsync: 500ms }; runtime sim only'),
    clock: anything.optional().describe('possible in no runtime yet'),
  })
  .describe('one fault, in roles');

const probeSchema = z.strictObject({
  rate: z.number().positive().default(500).describe('operations a second while faults happen'),
  mix: mixSchema.default({ put: 80, get: 20, delete: 0, cas: 0 }),
  settle: durationMs.default(1500).describe('how long the probe goes on after the last fault'),
  readers: z
    .enum(['shared', 'pinned'])
    .default('shared')
    .describe('pinned: reads have connections of their own, one to each replica'),
});

/** The whole scenario file. Every key has a default or is named in the error that misses it. */
export const scenarioSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9-]+$/, 'a name is written in lower case with hyphens'),
  description: z.string().min(1),
  quick: z.boolean().default(false).describe('stamps the result "not for comparison"'),
  protocols: z.array(z.enum(PROTOCOLS)).min(1).default(['raft', 'multi-paxos', 'zab']),
  nodes: z.number().int().min(1).max(9).default(3),
  runtime: z.enum(RUNTIMES).default('process'),
  transport: z.enum(TRANSPORTS).default('grpc'),
  clientTransport: z.enum(['grpc', 'tcp']).optional().describe('follows transport by default'),
  sync: z.enum(SYNC_POLICIES).default('group'),
  heartbeat: durationMs.default(50),
  electionTimeout: z.tuple([durationMs, durationMs]).default([150, 300]),
  detector: z.enum(['timers', 'timers+socket']).default('timers'),
  variants: z
    .partialRecord(
      z.enum(PROTOCOLS),
      z.record(z.string(), z.union([z.boolean(), z.number(), z.string()])),
    )
    .default({}),
  seed: z.number().int().nonnegative().default(1),
  blocks: z.number().int().positive().max(100).default(1),
  warmupSecondsMax: z.number().positive().max(120).default(3),
  load: loadSchema.optional(),
  probe: probeSchema.prefault({}),
  faults: z.array(faultSchema).default([]),
  historyOpsMax: z.number().int().positive().default(400_000),
  deadline: durationMs.default(1_800_000).describe('the watchdog on the whole run'),
  slo: z.array(z.string()).default([]),
  story: storySchemaOf(durationMs, PROTOCOLS).optional(),
});

/** A scenario with all defaults filled in. */
export type Scenario = z.infer<typeof scenarioSchema>;
/** The story of a scenario that has one. */
export type Story = NonNullable<Scenario['story']>;
/** The load part of a scenario. */
export type ScenarioLoad = NonNullable<Scenario['load']>;
/** The shares of a mix in percent or any other unit; only their ratio counts. */
export type ScenarioMix = ScenarioLoad['mix'];

/** The JSON Schema of a scenario file as text, for `docs/reference/scenario.schema.json`. */
export function scenarioJsonSchemaText(): string {
  const schema = z.toJSONSchema(scenarioSchema, { io: 'input', unrepresentable: 'any' });
  return `${JSON.stringify(schema, null, 2)}\n`;
}
