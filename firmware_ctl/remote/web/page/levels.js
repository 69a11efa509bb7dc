/** What the motors and phases of a profile do at a time, from the details of `GET /profiles/NAME`. */

/** The last of `rows` whose `at(row)` is not after `atMs`, or null. `rows` are in order of time. */
function lastBefore(rows, atMs, at) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(rows[middle]) <= atMs) low = middle + 1;
    else high = middle;
  }
  return low ? rows[low - 1] : null;
}

/** The level of each motor at `atMs`, from 0 to 100, before the trim; null before the first change. */
export function levelsAt(details, atMs) {
  return lastBefore(details.changes, atMs, (row) => row[0])?.[1] ?? null;
}

/** The index of the phase that plays at `atMs`. */
export function phaseAt(details, atMs) {
  const phase = lastBefore(details.phases, atMs, (row) => row.at_ms);
  return details.phases.indexOf(phase);
}

/**
 * Motor's name → its level now. The zone's figure is the daemon's word: where it is 0, nothing of
 * the zone is shown, and no motor is shown above it.
 */
export function motorLevels(state, details, atMs) {
  const levels = details && levelsAt(details, atMs);
  const shown = {};
  for (const zone of state.mat.zones) {
    const figure = state.zones?.[zone.name] ?? 0;
    for (const motor of zone.motors) {
      const index = details?.motors.indexOf(motor.name) ?? -1;
      const level = levels && index >= 0 ? (levels[index] * state.trim) / 100 : figure;
      shown[motor.name] = figure > 0 ? level : 0;
    }
  }
  return shown;
}
