// Drives the dashboard as a person would, in a real browser, and prints what was seen as JSON. Run by
// tests/browser/test_page.py: node drive.mjs OPTIONS, with OPTIONS as JSON:
//   modules    the node_modules with playwright-core and axe-core
//   chromium   the browser
//   base       the address of the dashboard, with a slash at its end
//   entrance   an address that signs a browser in once
//   tokens     {client, manager}
//   mcp        the address of /mcp
//   server     the words of a command that starts a server
//   step       milliseconds that a step may take
//   shots      a directory for pictures; none are taken where it is empty
//   pictures   a directory for the pictures of docs/dashboard.md. Where it is given, they are all that is done, and
//              of the others only modules, chromium, base, entrance and step count
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const given = JSON.parse(process.argv[2]);
const { chromium } = await import(pathToFileURL(join(given.modules, "playwright-core", "index.mjs")).href);
const axe = readFileSync(join(given.modules, "axe-core", "axe.min.js"), "utf8");
const origin = new URL(given.base).origin;
const STEP = Number(given.step);

const seen = { steps: [], console: [], elsewhere: [], axe: [], wide: [], schemes: {}, rows: {}, values: {} };
const browser = await chromium.launch({
  executablePath: given.chromium,
  // As root, and in a container, there is no sandbox and little shared memory.
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});

async function open(options = {}) {
  // Scripts of axe are none of the page's: its policy would refuse them.
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, bypassCSP: true, ...options });
  context.setDefaultTimeout(STEP);
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") seen.console.push(`${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => seen.console.push(String(error)));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin && !request.url().startsWith("data:")) seen.elsewhere.push(request.url());
  });
  return page;
}

async function step(name, does) {
  await does();
  seen.steps.push(name);
}

async function look(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  for (const one of found.violations.filter((one) => one.impact === "serious" || one.impact === "critical")) {
    seen.axe.push(`${name}: ${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`);
  }
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (over > 0) seen.wide.push(`${name}: ${over}`);
  if (given.shots) await page.screenshot({ path: join(given.shots, `${name}.png`) });
}

const go = (page, view) => page.goto(`${given.base}#/${view}`);
const title = (page, text) => page.getByRole("heading", { level: 1, name: text }).waitFor();
const dialog = (page, button) => page.getByRole("dialog").getByRole("button", { name: button, exact: true }).click();

async function signIn(page, token) {
  await page.fill("#token", token);
  await page.locator("form button[type=submit]").click();
}

async function ask(session, message) {
  const answer = await fetch(given.mcp, {
    method: "POST",
    headers: {
      authorization: `Bearer ${given.tokens.client}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(session ? { "mcp-session-id": session } : {}),
    },
    body: JSON.stringify({ jsonrpc: "2.0", ...message }),
  });
  return { session: answer.headers.get("mcp-session-id"), answer };
}

const VIEWS = ["Overview", "Servers", "Tools", "Live", "Sessions", "Activity", "History", "Errors", "Changes", "Waiting", "Connect"];

const WIDTH = 1100;

async function pictures() {
  const page = await open({ viewport: { width: WIDTH, height: 772 } });
  const picture = async (of, name) => {
    // The pointer on nothing, and no field in use.
    await of.mouse.move(1, 1);
    await of.evaluate(() => document.activeElement?.blur());
    await of.screenshot({ path: join(given.pictures, `dashboard-${name}.png`), animations: "disabled" });
    seen.steps.push(name);
  };
  await page.goto(given.entrance);
  await title(page, "Overview");
  await page.locator(".chart canvas").nth(1).waitFor();
  await page.locator(".latest li").first().waitFor();
  await picture(page, "overview");
  await go(page, "servers");
  await title(page, "Servers");
  await page.getByRole("link", { name: "tracker", exact: true }).waitFor();
  await page.setViewportSize({ width: WIDTH, height: 460 });
  await picture(page, "servers");
  await page.setViewportSize({ width: WIDTH, height: 760 });
  await go(page, "tools/tracker__get_issue");
  await page.fill("#argument-number", "104");
  await page.getByRole("button", { name: "Call it" }).click();
  await page.getByText("As the agent sees it").waitFor();
  await picture(page, "try");
  await go(page, "activity?q=callmux_parallel");
  await page.locator('#events a[href*="#/calls/"]').first().click();
  await page.getByText("get_issue").nth(2).waitFor();
  await page.setViewportSize({ width: WIDTH, height: 620 });
  await picture(page, "call");
  await go(page, "history");
  await page.locator('#calls [role="row"]').nth(3).waitFor();
  await picture(page, "history");
  const phone = await open({ viewport: { width: 390, height: 780 }, colorScheme: "dark", storageState: await page.context().storageState() });
  await go(phone, "overview");
  await title(phone, "Overview");
  await phone.locator(".chart canvas").first().waitFor();
  await picture(phone, "phone");
}

async function person() {
  const page = await open();
  await step("a stranger sees the way in and nothing else", async () => {
    await page.goto(given.base);
    await page.locator("#token").waitFor();
    await look(page, "sign-in");
  });
  await step("a token signs in", async () => {
    await signIn(page, given.tokens.client);
    await title(page, "Overview");
    seen.schemes.light = await page.evaluate(() => getComputedStyle(document.body).color);
  });
  await step("an agent calls tools meanwhile", async () => {
    const hello = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "an-agent", version: "1" } };
    const { session } = await ask(null, { id: 1, method: "initialize", params: hello });
    for (const [id, name] of [[2, "notes__read"], [3, "no_such_tool"]]) {
      await (await ask(session, { id, method: "tools/call", params: { name, arguments: { token: `t${id}` } } })).answer.text();
    }
    // One that does not end by itself.
    void ask(session, { id: 4, method: "tools/call", params: { name: "notes__write", arguments: { token: "long", ms: 300_000 } } }).catch(() => {});
  });
  await step("what happens is shown as it happens", async () => {
    await go(page, "activity");
    await page.locator("#events").getByText("no_such_tool").first().waitFor();
    await go(page, "live");
    await page.locator("#live").getByText("write").first().waitFor();
  });
  for (const view of VIEWS) {
    await step(`the view ${view}`, async () => {
      await page.locator('nav[aria-label="Views"]').getByRole("link", { name: new RegExp(`^${view}`) }).click();
      await title(page, view);
      await look(page, view.toLowerCase());
    });
  }
  await step("a filter survives a reload of the page", async () => {
    await go(page, "activity?q=no_such_tool");
    await page.reload();
    await page.locator("#events").getByText("no_such_tool").first().waitFor();
    seen.values.filter = await page.locator("input[type=search]").inputValue();
  });
  await step("a tool is tried", async () => {
    await go(page, "tools/notes__read");
    await page.locator("#try").waitFor();
    await page.fill("#argument-token", "tried");
    await page.getByRole("button", { name: "Call it" }).click();
    await page.getByText("As the agent sees it").waitFor();
    await look(page, "try");
  });
  await step("without a right to change servers nothing can be pressed", async () => {
    await go(page, "servers");
    const add = page.getByRole("button", { name: "Add a server" });
    await add.waitFor();
    seen.values.mayAdd = await add.isEnabled();
  });
  await step("a token of the management interface adds that right", async () => {
    await page.getByRole("button", { name: "Add a token" }).click();
    await page.getByRole("dialog").locator("#token").fill(given.tokens.manager);
    await page.keyboard.press("Enter");
    await page.locator('button:has-text("Add a server"):enabled').waitFor();
  });
  await step("a server is added", async () => {
    await page.getByRole("button", { name: "Add a server" }).click();
    await page.fill("#server-name", "extra");
    await page.fill("#server-command", given.server);
    await look(page, "add");
    await dialog(page, "Add");
    await page.getByRole("heading", { level: 1, name: /extra/ }).waitFor();
  });
  await step("and restarted, edited and removed", async () => {
    await page.getByRole("button", { name: "Restart extra" }).click();
    await dialog(page, "Restart");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Edit extra" }).click();
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Remove extra" }).click();
    await dialog(page, "Remove");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await go(page, "servers");
    await page.getByRole("link", { name: "extra", exact: true }).waitFor({ state: "detached" });
  });
  await step("a call that runs is given up", async () => {
    await go(page, "live");
    await page.getByRole("button", { name: /Cancel .*write/ }).first().click();
    await page.locator("#live").getByText("write").first().waitFor({ state: "detached" });
  });
  await step("signing out leads back to the door", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.locator("#token").waitFor();
    seen.values.cookies = (await page.context().cookies()).length;
  });
  await page.context().close();

  const dark = await open({ colorScheme: "dark" });
  await step("the address of a command signs in", async () => {
    await dark.goto(given.entrance);
    await title(dark, "Overview");
    const [cookie] = await dark.context().cookies();
    seen.values.cookie = { path: cookie.path, httpOnly: cookie.httpOnly, sameSite: cookie.sameSite };
    seen.values.address = dark.url();
  });
  await step("dark, where the system is", async () => {
    seen.schemes.dark = await dark.evaluate(() => getComputedStyle(document.body).color);
    await look(dark, "dark");
  });
  await step("on a phone", async () => {
    await dark.setViewportSize({ width: 390, height: 780 });
    for (const view of VIEWS) {
      await go(dark, view.toLowerCase());
      await title(dark, view);
      await look(dark, `phone-${view.toLowerCase()}`);
    }
  });
  await step("many rows are few elements", async () => {
    await dark.setViewportSize({ width: 1360, height: 860 });
    await go(dark, "tools");
    await dark.locator('#tools [role="row"]').first().waitFor();
    seen.rows.tools = await rows(dark, "#tools");
    await go(dark, "activity");
    await dark.locator('#events [role="row"]').first().waitFor();
    seen.rows.events = await rows(dark, "#events");
  });
}

try {
  await (given.pictures ? pictures() : person());
} catch (error) {
  seen.failed = String(error?.stack ?? error);
  for (const context of browser.contexts()) {
    for (const page of context.pages()) seen.text = (await page.locator("body").innerText().catch(() => "")).slice(0, 2000);
  }
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(seen));

async function rows(page, list) {
  const all = Number(await page.locator(list).getAttribute("aria-rowcount"));
  return { all, shown: await page.locator(`${list} [role="row"]`).count() };
}
