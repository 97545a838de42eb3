// Timestamps, without a clock.

const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/**
 * Reads `2026-11-23T09:00:00.123456Z` or `2026-11-23T10:00:00+01:00`: milliseconds since the epoch, finer parts cut
 * off, and the zone in minutes east of UTC. Undefined for any other text.
 */
export function rfc3339(text) {
  const parts = RFC_3339.exec(text);
  if (!parts) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number);
  const [zoneHours, zoneMinutes] = [Number(parts[9] ?? 0), Number(parts[10] ?? 0)];
  const sign = parts[8] === "-" ? -1 : 1;
  // 60 is a leap second.
  const valid =
    month >= 1 && month <= 12 && day >= 1 && day <= monthDays(year, month) &&
    hour < 24 && minute < 60 && second <= 60 && zoneHours < 24 && zoneMinutes < 60;
  if (!valid) return undefined;
  const offset = zoneHours * 60 + zoneMinutes;
  const seconds = daysSinceEpoch(year, month, day) * 86_400 + hour * 3_600 + (minute - sign * offset) * 60 + second;
  const fraction = Number((parts[7] ?? "").padEnd(3, "0").slice(0, 3));
  // Not -0.
  return { ms: seconds * 1_000 + fraction, offsetMinutes: offset === 0 ? 0 : sign * offset };
}

function monthDays(year, month) {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Counted in years that begin in March. `Date.UTC` would take the years 0 to 99 for 1900 to 1999. */
function daysSinceEpoch(year, month, day) {
  const marchYear = month <= 2 ? year - 1 : year;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return marchYear * 365 + leapDays + dayOfYear - 719_468;
}
