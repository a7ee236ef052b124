import { CHECKER_MUTANTS } from './checker-mutants.ts';
import { CLIENT_MUTANTS, KV_MUTANTS, REPLICA_MUTANTS } from './host-mutants.ts';
import { MULTI_PAXOS_MUTANTS } from './multi-paxos-mutants.ts';
import type { Mutant } from './mutant.ts';
import { RAFT_MUTANTS } from './raft-mutants.ts';
import { SNAPSHOT_STORE_MUTANTS, WAL_MUTANTS } from './storage-mutants.ts';
import { ZAB_MUTANTS } from './zab-mutants.ts';

/** Every mutant, engines first. */
export const ALL_MUTANTS: readonly Mutant[] = [
  ...RAFT_MUTANTS,
  ...MULTI_PAXOS_MUTANTS,
  ...ZAB_MUTANTS,
  ...WAL_MUTANTS,
  ...SNAPSHOT_STORE_MUTANTS,
  ...REPLICA_MUTANTS,
  ...KV_MUTANTS,
  ...CLIENT_MUTANTS,
  ...CHECKER_MUTANTS,
];
