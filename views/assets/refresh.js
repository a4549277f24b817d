const PERIOD_MS = 5_000;

/** Brings the parts marked `data-refresh` up to date; leaves them while somebody uses them by keyboard or selects text. */
async function refresh() {
  const answer = await fetch(location.href, { headers: { accept: 'text/html' }, cache: 'no-store' });
  if (!answer.ok) return;
  const fresh = new window.DOMParser().parseFromString(await answer.text(), 'text/html');
  for (const part of document.querySelectorAll('[data-refresh][id]')) {
    const next = fresh.getElementById(part.id);
    if (next && !inUse(part) && next.innerHTML !== part.innerHTML) part.replaceChildren(...next.childNodes);
  }
}

function inUse(part) {
  const selection = document.getSelection();
  return part.contains(document.activeElement) || (selection !== null && !selection.isCollapsed && part.contains(selection.anchorNode));
}

function schedule() {
  setTimeout(async () => {
    if (!document.hidden) await refresh().catch(() => undefined);
    schedule();
  }, PERIOD_MS);
}

schedule();
