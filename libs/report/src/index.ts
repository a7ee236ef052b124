export { type ProtocolStyle, protocolStyle } from './chart-palette.ts';
export { COMPARISON_COLUMNS, comparisonRows, failoverRemark } from './comparison-table.ts';
export {
  COST_COLUMNS,
  type CostRow,
  costRemark,
  costRows,
  virtualTimeRemark,
} from './cost-table.ts';
export { RunFolderError, SloError } from './errors.ts';
export {
  analyseFailover,
  type EngineMark,
  type FailoverInput,
  type MarkKind,
  summariseFailovers,
} from './failover.ts';
export { type ReportFiles, readReportInput, reportFiles, writeReport } from './folder.ts';
export { type CurvePoint, LatencyHistogram } from './histogram.ts';
export { renderJunit } from './junit.ts';
export { renderMarkdown } from './markdown.ts';
export type { ProtocolCurve, ReportInput } from './report-input.ts';
export {
  FAILOVER_PHASES,
  type FailoverPhases,
  type Run,
  type RunFailover,
  type RunFault,
  type RunLatency,
  type RunOperation,
  type RunProtocol,
  type RunSlo,
  runJsonSchemaText,
  runSchema,
} from './run-schema.ts';
export {
  SERIES_WINDOW_MS,
  SERIES_WINDOWS_MAX,
  SeriesBuilder,
  type SeriesOutcome,
  type SeriesRow,
  seriesFromCsv,
  seriesToCsv,
} from './series.ts';
export {
  type Objective,
  type ObjectiveGrammar,
  parseObjective,
  parseSlo,
  SLO_METRICS,
  SLO_OPERATORS,
  type Slo,
  type SloMetric,
  type SloOperator,
  type SloUnitKind,
  showFigure,
  showSloValue,
} from './slo.ts';
export {
  compareFigures,
  FAILOVERS_FOR_P99,
  FAILOVERS_NEEDED,
  judgeSlo,
  type RunOutcome,
  runExitCode,
  type SloSubject,
  type SloVerdict,
  sloExitCode,
  statisticOf,
} from './slo-verdict.ts';
export {
  type BootstrapOptions,
  bootstrapInterval,
  type EcdfStep,
  ecdf,
  type Interval,
  meanOf,
  medianOf,
  percentileOf,
} from './statistics.ts';
export { parseRun, type RunValidation, readRun, validateRun } from './validate.ts';
export {
  headline,
  limitLines,
  VERDICT_SIGNS,
  type VerdictLine,
  type VerdictMark,
  verdictLines,
} from './verdict-lines.ts';
