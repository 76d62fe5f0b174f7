// Puts the whole link into the commands of an invite page.
//
// The secret stands after the # of the address.  It is read here, shown here and copied from here;
// nothing is sent.  It ends up in somebody's terminal, so only a link of exactly the right form is
// used: quotes or dollar signs in it would be a command of their own.

// SECRET.kKEY.tCERTIFICATE, and what apps add of their own.  A part with the letter k or t that is
// not whole was cut off on its way.
const SERVER = /^https?:\/\/[A-Za-z0-9._:[\]-]+\/i\/[A-Za-z0-9_-]+$/;
const FRAGMENT =
  /^#[A-Za-z0-9_-]{8,128}\.k[0-9a-f]{64}(\.t[0-9a-f]{64})?(\.(?![kt])[A-Za-z0-9_-]{1,128}){0,8}$/;
const SHOW_COPIED_MS = 2000;

const byId = (id) => document.getElementById(id);
const systems = [...document.querySelectorAll(".system")];
const page = () => location.origin + location.pathname;
const link = () => page() + location.hash;

function putLink() {
  const found = SERVER.test(page()) && FRAGMENT.exec(location.hash);
  for (const slot of document.querySelectorAll(".command b")) {
    slot.textContent = found ? link() : "LINK";
  }
  for (const button of document.querySelectorAll(".copy")) button.hidden = !found;
  byId("onward").hidden = !found;
  byId("broken").hidden = Boolean(found);
  byId("pinned").hidden = !(found && found[1]);
}

function sayWhenItEnds() {
  const place = byId("ends");
  const ends = new Date(Number(place.dataset.millis));
  const day = { weekday: "long", day: "numeric", month: "long", year: "numeric" };
  const time = { hour: "2-digit", minute: "2-digit" };
  const date = ends.toLocaleDateString("en-GB", day);
  place.textContent = `${date}, ${ends.toLocaleTimeString("en-GB", time)} (${place.textContent})`;
}

// ---- One tab for each system ----

function ownSystem() {
  const name = navigator.userAgentData?.platform || navigator.platform || "";
  if (/win/i.test(name)) return "system-windows";
  return /mac|iphone|ipad/i.test(name) ? "system-macos" : "system-linux";
}

function makeTabs() {
  const list = document.querySelector(".tabs");
  const tabs = systems.map((system) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `tab-${system.id}`;
    tab.textContent = system.dataset.name;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", system.id);
    system.setAttribute("role", "tabpanel");
    system.setAttribute("aria-labelledby", tab.id);
    tab.addEventListener("click", () => choose(tab));
    list.append(tab);
    return tab;
  });

  function choose(chosen) {
    tabs.forEach((tab, index) => {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      systems[index].hidden = tab !== chosen;
    });
  }

  list.addEventListener("keydown", (event) => {
    const here = tabs.indexOf(document.activeElement);
    const places = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: tabs.length - 1 };
    if (here < 0 || !(event.key in places)) return;
    event.preventDefault();
    const tab = tabs.at(places[event.key] % tabs.length);
    choose(tab);
    tab.focus();
  });

  list.hidden = false;
  choose(tabs.find((tab) => tab.id === `tab-${ownSystem()}`));
}

// ---- Copying ----

// Browsers keep the clipboard from pages that came without TLS, which a server in a private network
// may be; there the old way still works: select a text and say "copy".
async function copy(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed: the old way is left.
    }
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "hushed";
  const before = document.activeElement;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus();
  return done;
}

function copies(button, text) {
  button.addEventListener("click", async () => {
    const done = await copy(text());
    button.classList.toggle("done", done);
    byId("said").textContent = done ? "Copied." : "The browser does not allow it: copy it by hand.";
    setTimeout(() => {
      button.classList.remove("done");
      byId("said").textContent = "";
    }, SHOW_COPIED_MS);
  });
}

for (const system of systems) {
  copies(system.querySelector(".copy"), () => system.querySelector("code").textContent);
}
copies(byId("copylink"), link);
makeTabs();
sayWhenItEnds();
putLink();
addEventListener("hashchange", putLink);
