// Prints "N passed, N failed" from vitest's JSON report and the report of the simulation slice, and
// ends with 1 when something failed: node tools/bin/count-tests.mjs REPORT STATUS [SLICE]. A run
// that failed before its tests, or a slice that left no report, counts as one failure.
import { readFileSync } from 'node:fs';

const [file, statusText, sliceFile] = process.argv.slice(2);
const status = Number(statusText);
let passed = 0;
let failed = 0;
let skipped = 0;
try {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  passed = report.numPassedTests;
  failed = report.numFailedTests + (report.success || report.numFailedTests > 0 ? 0 : 1);
  skipped = report.numPendingTests;
} catch {
  failed = 1;
}
if (status !== 0 && failed === 0) failed = 1;
if (sliceFile !== undefined) {
  try {
    const slice = JSON.parse(readFileSync(sliceFile, 'utf8'));
    passed += slice.passed;
    failed += slice.failed;
  } catch {
    failed += 1;
  }
}
const rest = skipped > 0 ? `, ${skipped} skipped` : '';
console.log(`${passed} passed, ${failed} failed${rest}`);
process.exitCode = failed > 0 ? 1 : 0;
