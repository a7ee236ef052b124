export {
  ARRIVAL_KINDS,
  type ArrivalKind,
  type ArrivalOptions,
  countMissedStarts,
  type MissedStarts,
  scheduleArrivals,
} from './arrivals.ts';
export {
  createKeyChooser,
  KEY_COUNT_MAX,
  KEY_DISTRIBUTIONS,
  type KeyChooser,
  type KeyChooserOptions,
  type KeyDistribution,
  keyName,
} from './keys.ts';
export {
  CAS,
  createKindChooser,
  DELETE,
  GET,
  OPERATION_KINDS,
  type OperationKind,
  type OperationMix,
  PUT,
  writesValue,
} from './mix.ts';
export {
  NO_WRITE,
  type OpenLoopOptions,
  type OpenLoopPlan,
  OperationSource,
  planOpenLoop,
  type WorkloadOptions,
} from './plan.ts';
export {
  encodeValue,
  KnownValues,
  rewriteValue,
  VALUE_BYTES_MIN,
  valueName,
  writeNumberOf,
} from './values.ts';
