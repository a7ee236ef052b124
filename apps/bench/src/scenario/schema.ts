import { z } from 'zod';

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
  keys: z.number().int().positive().max(10_000_000).default(2_000),
  keyDistribution: z.enum(['uniform', 'zipf', 'hot', 'sequential']).default('uniform'),
  valueBytes: z.number().int().min(16).max(1_048_576).default(128),
  readLevel: z.enum(['linearizable', 'stale']).default('linearizable'),
});

const nodeRole = z
  .string()
  .regex(
    /^(leader|follower|followers\[\d+\]|any|killed|paused|rest|all|node \d+)$/,
    'a role is leader, followers[i], follower, any, killed, paused, rest, all or "node N"',
  );

const linkSchema = z.strictObject({
  between: z.union([z.literal('all'), z.tuple([nodeRole, nodeRole])]),
  delay: durationMs.optional(),
  jitter: durationMs.optional(),
  loss: z.union([z.string().regex(/^\d+(\.\d+)?%$/), z.number().min(0).max(0.99)]).optional(),
});

const faultSchema = z
  .strictObject({
    at: durationMs.describe('from the start of a trial'),
    jitter: durationMs.optional().describe('drawn from the seed, added to at'),
    for: durationMs.optional(),
    kill: nodeRole.optional(),
    restart: nodeRole.optional(),
    pause: nodeRole.optional(),
    cut: z
      .strictObject({
        from: nodeRole,
        to: nodeRole,
        direction: z.enum(['both', 'one-way']).default('both'),
      })
      .optional(),
    partition: z.array(z.array(nodeRole).min(1)).min(2).optional(),
    link: linkSchema.optional(),
  })
  .refine(
    (fault) =>
      [fault.kill, fault.restart, fault.pause, fault.cut, fault.partition, fault.link].filter(
        (kind) => kind !== undefined,
      ).length === 1,
    'a fault names exactly one of kill, restart, pause, cut, partition, link',
  );

const faultsSchema = z.strictObject({
  trials: z.number().int().positive().max(1_000).default(1).describe('repetitions per protocol'),
  every: durationMs.describe('the length of one trial, healing included'),
  probeRate: z.number().positive().default(400).describe('operations a second while it runs'),
  probeMix: mixSchema.default({ put: 80, get: 20, delete: 0, cas: 0 }),
  schedule: z.array(faultSchema).min(1),
});

/** The whole scenario file. Every key has a default or is named in the error that misses it. */
export const scenarioSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9-]+$/, 'a name is written in lower case with hyphens'),
  description: z.string().min(1),
  quick: z.boolean().default(false).describe('stamps the result "not for comparison"'),
  protocols: z.array(z.enum(PROTOCOLS)).min(1).default(['raft', 'multi-paxos', 'zab']),
  nodes: z.number().int().min(1).max(9).default(3),
  runtime: z.enum(['process', 'worker']).default('process'),
  transport: z.enum(['grpc', 'tcp', 'message-port']).default('grpc'),
  clientTransport: z.enum(['grpc', 'tcp']).optional().describe('follows transport by default'),
  sync: z.enum(['each', 'group', 'periodic', 'none', 'memory']).default('group'),
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
  faults: faultsSchema.optional(),
  historyOpsMax: z.number().int().positive().default(400_000),
  deadline: durationMs.default(1_800_000).describe('the watchdog on the whole run'),
  slo: z.array(z.string()).default([]),
});

/** A scenario with all defaults filled in. */
export type Scenario = z.infer<typeof scenarioSchema>;
/** The load part of a scenario. */
export type ScenarioLoad = NonNullable<Scenario['load']>;
/** The fault part of a scenario. */
export type ScenarioFaults = NonNullable<Scenario['faults']>;
/** The shares of a mix in percent or any other unit; only their ratio counts. */
export type ScenarioMix = ScenarioLoad['mix'];
