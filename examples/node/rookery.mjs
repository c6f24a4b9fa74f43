// Signs in, lists the folders, shows what is new in the inbox, searches, and makes a note: once, though it asks twice.
//
//     node rookery.mjs SERVER ADDRESS PASSWORD
//
// SERVER is HOST:PORT. To this machine it talks in plain text, to any other with TLS.

import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const PROTO = new URL("../../proto/", import.meta.url).pathname;
const FILES = ["auth_service", "folder", "item_service", "search_service"].map((name) => `rookery/v1/${name}.proto`);

const definition = protoLoader.loadSync(FILES, {
  includeDirs: [PROTO],
  keepCase: true, // fields under their own names: folder_id, not folderId
  longs: String, // 64-bit numbers do not fit into a JavaScript number
  enums: String,
  defaults: true,
  oneofs: true,
});
const { rookery } = grpc.loadPackageDefinition(definition);

// What every call may take, in milliseconds. A call without a deadline can wait for ever.
const DEADLINE = 30_000;

/** A client of one service, with a promise for each unary call. `token` gives the access token, once there is one. */
function connect(Service, server, token) {
  const local = /^(localhost|127\.[\d.]+|\[::1\]):\d+$/.test(server);
  const channel = local ? grpc.credentials.createInsecure() : grpc.credentials.createSsl();
  const stub = new Service(server, channel);
  const calls = { close: () => stub.close() };
  for (const name of Object.keys(Service.service)) {
    const call = promisify(stub[name]).bind(stub);
    calls[name] = (request) => {
      const metadata = new grpc.Metadata();
      if (token()) metadata.set("authorization", `Bearer ${token()}`);
      return call(request, metadata, { deadline: Date.now() + DEADLINE });
    };
  }
  return calls;
}

/** A UUIDv7 (RFC 9562): 48 bits of time in milliseconds, the rest random. Ids travel as 16 raw bytes. */
function newId() {
  const id = randomBytes(16);
  id.writeUIntBE(Date.now(), 0, 6);
  id[6] = 0x70 | (id[6] & 0x0f);
  id[8] = 0x80 | (id[8] & 0x3f);
  return id;
}

/** An id as people see it. */
const text = (id) => id.toString("hex").replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");

async function main(server, address, password) {
  let tokens = null;
  const token = () => tokens?.access_token;
  const services = rookery.v1;
  const auth = connect(services.AuthService, server, token);
  const folders = connect(services.FolderService, server, token);
  const items = connect(services.ItemService, server, token);
  const search = connect(services.SearchService, server, token);

  const login = await auth.Login({ address, password, device_name: "Node.js example", operation_id: newId() });
  tokens = login.tokens;
  console.log(`signed in as ${login.identity.display_name} <${login.identity.address}>`);

  const listed = await folders.ListFolders({});
  for (const folder of listed.folders.filter((each) => each.item_count > 0)) {
    console.log(`${folder.name}: ${folder.item_count} items, ${folder.unread_count} unread`);
  }

  const inbox = listed.folders.find((folder) => folder.role === "FOLDER_ROLE_INBOX");
  const page = await items.ListItems({ folder_id: inbox.id, page_size: 3 });
  for (const { summary } of page.items) console.log(`${summary.message.from.name || summary.message.from.address}: ${summary.subject}`);

  const found = await search.Search({ query: "has:attachment", page_size: 3 });
  console.log(`with attachments: ${found.items.map((item) => item.summary.subject).join(", ")}`);

  // The operation id makes the call idempotent: a repeat after a lost answer gives the first answer again.
  const request = {
    operation_id: newId(),
    item: { summary: { kind: "ITEM_KIND_NOTE", subject: "From Node.js", note: {} }, content: { body: { text: "Hello" } } },
  };
  const first = await items.CreateItem(request);
  const again = await items.CreateItem(request);
  if (!first.item.id.equals(again.item.id)) throw new Error("the note was made twice");
  console.log(`made the note ${text(first.item.id)}`);

  await auth.Logout({});
  for (const service of [auth, folders, items, search]) service.close();
}

if (process.argv.length !== 5) {
  console.error("usage: node rookery.mjs SERVER ADDRESS PASSWORD");
  process.exit(2);
}
main(...process.argv.slice(2)).catch((error) => {
  // The status's text is for people; google.rpc.ErrorInfo in the metadata "grpc-status-details-bin" is for programs.
  console.error(`rookery: ${error.details ?? error.message}`);
  process.exit(1);
});
