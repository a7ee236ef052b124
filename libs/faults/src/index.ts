export { type DocumentPath, FaultScheduleError, showPath } from './errors.ts';
export { type Evidence, type FaultRecord, FaultTrace } from './evidence.ts';
export {
  faultLabel,
  type Link,
  type PlannedFault,
  type PlanStep,
  planFaults,
  type ResolvedFault,
  resolveFault,
} from './plan.ts';
export { durationMs, shareOf } from './quantities.ts';
export {
  leaderOf,
  type NodePicture,
  parseRole,
  type ResolvedRole,
  ROLES_ALLOWED,
  type Role,
  resolveRole,
  type StatusPicture,
  showRole,
} from './role.ts';
export {
  checkSchedule,
  FAULT_RUNTIMES,
  FAULTS_BY_RUNTIME,
  type FaultMeans,
  type FaultRuntime,
  faultRefusal,
  rolesOf,
} from './runtime.ts';
export {
  type CutDirection,
  FAULT_KINDS,
  FAULT_TIMES_MAX,
  type FaultAction,
  type FaultEntry,
  type FaultKind,
  parseFaultSchedule,
} from './schedule.ts';
