// Keeps the figures of the status page fresh: asks every two seconds, and rests while nobody looks.

const ASK_EVERY_MS = 2000;
const ANSWER_WITHIN_MS = 5000;

let timer = null;
let asking = false;
let lastAnswer = null;

function show(status) {
  showServer(status);
  // Without the time that it runs: the place is read out at every change.
  say("state-text", "Running");
  // Who is not on the server's machine gets no figures.
  const hasFigures = status.now !== undefined;
  for (const part of document.querySelectorAll(".inside")) part.hidden = !hasFigures;
  document.getElementById("elsewhere").hidden = hasFigures;
  if (hasFigures) showFigures(status);
}

async function ask() {
  timer = null;
  asking = true;
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const answer = await fetch("/status.json", { signal, cache: "no-store" });
    if (!answer.ok) throw new Error("refused");
    show(await answer.json());
    lastAnswer = new Date();
    say("answer", clock(lastAnswer));
    turn("running");
  } catch {
    say("state-text", lastAnswer ? `No answer since ${clock(lastAnswer)}` : "No answer yet");
    turn("gone");
  }
  asking = false;
  plan(ASK_EVERY_MS);
}

function plan(wait) {
  if (timer === null && !asking && !document.hidden) timer = setTimeout(ask, wait);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  timer = null;
  plan(0);
});
plan(0);
