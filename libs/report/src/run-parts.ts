import { z } from 'zod';

/** A finite number of at least 0: a duration, a rate, a size. */
export const amount = z.number().min(0);
/** A whole number of at least 0. */
export const count = z.number().int().min(0);
/** A share, 0 to 1. */
export const share = z.number().min(0).max(1);
/** Milliseconds since the start of the run. */
export const instantMs = z.number().min(0);
/** A path relative to the run folder, with forward slashes. */
export const filePath = z
  .string()
  .min(1)
  .regex(/^(?!\/)(?!.*\.\.)[^\\]+$/, 'a path inside the folder');

/** The operations that results tell apart; reads and writes never share a figure. */
export const operationName = z.enum(['write', 'read', 'cas', 'delete']);

/** How many operations of a kind ended how; `fail` is definite, `info` is in doubt. */
export const outcomesSchema = z.strictObject({ ok: count, fail: count, info: count });

/** Latency of one kind of operation, in milliseconds, from a merged histogram. */
export const latencySchema = z.strictObject({
  count: count.min(1),
  min: amount,
  mean: amount,
  p50: amount,
  p90: amount,
  p99: amount,
  p999: amount,
  max: amount,
  /** `intendedStart` has no coordinated omission; `send` belongs to closed loops. */
  clock: z.enum(['intendedStart', 'send']),
  hlog: filePath.nullable(),
});

/** One step of a load sweep. `block` tells repeated steps apart, for intervals. */
export const pointSchema = z.strictObject({
  ratePerSecond: amount.nullable(),
  inFlight: count.nullable(),
  opsPerSecond: amount,
  latencyMs: z.partialRecord(
    operationName,
    z.strictObject({ p50: amount, p99: amount, max: amount }),
  ),
  /** What held the step back: `leader CPU`, `fsync`, `generator`; null when nothing did. */
  limitedBy: z.string().nullable(),
  block: count.optional(),
});

/** How something was seen, and when. */
export const evidenceSchema = z.looseObject({ method: z.string(), atMs: instantMs });

/** One fault: asked, in force, healed, with proof of each. */
export const faultSchema = z.strictObject({
  id: z.string().min(1),
  block: count,
  /** `kill-leader`, `partition`: what SLO selectors name. */
  kind: z.string().min(1),
  role: z.string().nullable(),
  node: z.number().int().nullable(),
  round: z.number().int().nullable(),
  requestedMs: instantMs,
  /** At completion, when it was in force. */
  installedMs: instantMs.nullable(),
  healedMs: instantMs.nullable(),
  evidence: z.strictObject({
    install: evidenceSchema.nullable(),
    heal: evidenceSchema.nullable(),
  }),
  proven: z.boolean(),
  excludedReason: z.string().nullable(),
});

/** Cumulative milliseconds from the fault's installation, in this order, never falling. */
export const phasesSchema = z.strictObject({
  suspicion: amount.nullable(),
  candidacy: amount.nullable(),
  elected: amount.nullable(),
  repaired: amount.nullable(),
  firstCommit: amount.nullable(),
  firstClientSuccess: amount.nullable(),
  throughput90: amount.nullable(),
});

/** What one fault did to the clients. */
export const failoverSchema = z.strictObject({
  faultId: z.string().min(1),
  unavailableMs: amount,
  /** True when it never came back within the trial: the figure is then a lower bound. */
  censored: z.boolean(),
  resolutionMs: amount.nullable(),
  oldLeader: z.number().int().nullable(),
  newLeader: z.number().int().nullable(),
  failedRounds: count.nullable(),
  phasesMs: phasesSchema,
  /** Why a phase is null. */
  phasesReason: z.string().nullable().optional(),
});

/** The distribution over all failovers that count. */
export const failoverSummarySchema = z.strictObject({
  count,
  censoredCount: count,
  minMs: amount.nullable(),
  p50Ms: amount.nullable(),
  p95Ms: amount.nullable(),
  maxMs: amount.nullable(),
});

/** What one committed write costs one replica. */
export const costSchema = z.strictObject({
  messagesPerCommit: amount.nullable(),
  bytesPerCommit: amount.nullable(),
  fsyncsPerCommit: amount.nullable(),
  cpuUsPerCommit: amount.nullable(),
});

/** What the papers let one commit cost a replica; a range, as notices may ride along. */
export const expectedCostSchema = z.strictObject({
  messagesPerCommit: z.tuple([amount, amount]),
  fsyncsPerCommitMax: amount,
});

/** Costs by role, beside what is expected of them. */
export const costsSchema = z.strictObject({
  leader: costSchema.nullable(),
  follower: costSchema.nullable(),
  /** Commands that a log entry carried, on average; what is expected is divided by it. */
  commandsPerEntry: amount.nullable().optional(),
  expected: z
    .strictObject({
      leader: expectedCostSchema.nullable(),
      follower: expectedCostSchema.nullable(),
    })
    .nullable()
    .optional(),
});

/** One SLO of one protocol, judged. */
export const sloResultSchema = z.strictObject({
  expression: z.string().min(1),
  metric: z.string().min(1),
  value: z.union([z.number(), z.boolean(), z.null()]),
  samples: count,
  neededSamples: count,
  result: z.enum(['holds', 'fellShort', 'undecided']),
});

/** What is known about the correctness of a protocol's run, and its SLOs. */
export const verdictsSchema = z.strictObject({
  /** null is unknown, never a pass. */
  linearizable: z.boolean().nullable(),
  linearizableReason: z.string().nullable(),
  checkedOperations: count,
  ackedWrites: count,
  ackedLost: count.nullable(),
  lostExamples: z.array(z.unknown()),
  smallestFailingHistory: filePath.nullable(),
  slo: z.array(sloResultSchema),
});
