const UNITS = [['year', 31_536_000_000], ['month', 2_592_000_000], ['day', 86_400_000], ['hour', 3_600_000], ['minute', 60_000], ['second', 1_000]];

/** The words the server writes, so that a page left open goes on saying the truth. */
export function relativeTime(at, now) {
  const distance = Math.abs(now - at);
  const unit = UNITS.find(([, length]) => distance >= length);
  if (unit === undefined || distance < 10_000) return 'just now';
  const count = Math.floor(distance / unit[1]);
  const words = `${count} ${unit[0]}${count === 1 ? '' : 's'}`;
  return at > now ? `in ${words}` : `${words} ago`;
}

function refreshTimes() {
  for (const time of document.querySelectorAll('time[data-relative]')) {
    const words = relativeTime(Date.parse(time.dateTime), Date.now());
    if (time.textContent !== words) time.textContent = words;
  }
}

if (typeof document !== 'undefined') window.setInterval(refreshTimes, 15_000);
