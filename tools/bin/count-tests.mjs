// Prints "N passed, N failed" from vitest's JSON report and ends with the test command's own status:
// node tools/bin/count-tests.mjs REPORT STATUS. A run that failed before its tests counts as one
// failure.
import { readFileSync } from 'node:fs';

const [file, statusText] = process.argv.slice(2);
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
const rest = skipped > 0 ? `, ${skipped} skipped` : '';
console.log(`${passed} passed, ${failed} failed${rest}`);
process.exitCode = failed > 0 ? 1 : 0;
