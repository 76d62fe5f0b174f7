// ts-mls as a peer: MLS clients that a test drives over stdin and stdout.
//
//     {"id": 1, "cmd": "init", "suite": 1}     one request a line in,
//     {"id": 1, "ok": true, "kdf_nh": 32, …}   one reply a line out, in order.
//
// README.md, beside this file, has the protocol verb by verb; tests/interop/peer.py
// speaks the same one.  A process holds any number of clients, told apart by the
// field `client`, so that twenty members need not be twenty processes.
//
// For tests only: it accepts every credential and gives private keys away on request.

import * as readline from "node:readline"
import { p256, p384, p521 } from "@noble/curves/nist.js"
import {
  createApplicationMessage,
  createCommit,
  createGroup,
  createGroupInfoWithExternalPub,
  createGroupInfoWithExternalPubAndRatchetTree,
  createProposal,
  decodeGroupState,
  decodeMlsMessage,
  defaultAuthenticationService,
  defaultExtensionTypes,
  defaultKeyPackageEqualityConfig,
  defaultKeyRetentionConfig,
  encodeGroupState,
  encodeMlsMessage,
  generateKeyPackageWithKey,
  getCiphersuiteFromName,
  getCiphersuiteImpl,
  ciphersuites,
  joinGroupExternal,
  joinGroupWithExtensions,
  makePskIndex,
  mlsExporter,
  processPrivateMessage,
  processPublicMessage,
  proposeAddExternal,
} from "ts-mls"
// Not part of the public entry point, but exported by the package for such uses.
import { getOwnLeafNode } from "ts-mls/clientState.js"
import { encode } from "ts-mls/codec/tlsEncoder.js"
import { decodeVarLenData, varLenDataEncoder } from "ts-mls/codec/variableLength.js"
import { getCiphersuiteNameFromId } from "ts-mls/crypto/ciphersuite.js"
import { encodeGroupContext } from "ts-mls/groupContext.js"
import { makeKeyPackageRef } from "ts-mls/keyPackage.js"
import { signLeafNodeCommit } from "ts-mls/leafNode.js"
import { decodeRatchetTree, encodeRatchetTree } from "ts-mls/ratchetTree.js"
import { makeResumptionPsk } from "ts-mls/resumption.js"

const HOUR_S = 3600n
const DAY_S = 24n * HOUR_S

// The test's own mistakes; everything else that is thrown comes from ts-mls.
class RequestError extends Error {}

// ---- Bytes and names ----

const hex = (bytes) => Buffer.from(bytes).toString("hex")
const utf8 = (text) => new TextEncoder().encode(text)

function unhex(text = "") {
  const bytes = Buffer.from(text, "hex")
  // Buffer stops silently at the first character that is not a hex digit.
  if (bytes.length * 2 !== text.length) throw new RequestError("not hex")
  return new Uint8Array(bytes)
}

function encodeMessage(message) {
  return hex(encodeMlsMessage({ version: "mls10", ...message }))
}

function decodeMessage(text, ...wireformats) {
  const bytes = unhex(text)
  const decoded = decodeMlsMessage(bytes, 0)
  if (decoded === undefined) throw new RequestError("not an MLSMessage")
  const [message, length] = decoded
  if (length !== bytes.length) throw new RequestError("bytes after the MLSMessage")
  if (!wireformats.includes(message.wireformat))
    throw new RequestError(`expected ${wireformats.join(" or ")}, got ${message.wireformat}`)
  return message
}

function decodeTree(text) {
  return text === undefined || text === null ? undefined : decodeRatchetTree(unhex(text), 0)[0]
}

// ts-mls calls the RFC's own extension types by name and all others by number,
// and does not find an extension again that was put in under the wrong one.
const extensionNames = Object.fromEntries(
  Object.entries(defaultExtensionTypes).map(([name, number]) => [number, name]),
)

function extensionsFrom(list) {
  return (list ?? []).map(({ type, data }) => ({
    extensionType: extensionNames[type] ?? type,
    extensionData: unhex(data),
  }))
}

// A suite that ts-mls does not know (GREASE, ours) is its number in decimal.
const suiteName = (suite) => getCiphersuiteNameFromId(suite) ?? String(suite)

const implementations = new Map()

async function implementationOf(name) {
  if (!(name in ciphersuites)) throw new RequestError(`unknown suite ${name}`)
  if (!implementations.has(name))
    implementations.set(name, await getCiphersuiteImpl(getCiphersuiteFromName(name)))
  return implementations.get(name)
}

// ---- One client ----

class Client {
  suite = null
  identity = "ts"
  config = null
  packages = [] // Every key package made, with its private half; never removed.
  psks = new Map() // External PSKs: id in hex -> secret.
  state = null // The group; ts-mls's states are values, an operation gives the next one.
  pendingCommit = null // The state after our own commit that was not merged yet.
  pendingLeafKeys = [] // Private keys of Update proposals sent in this epoch.

  get group() {
    if (this.state === null) throw new RequestError("not in a group")
    return this.state
  }

  // Set a new state, and forget what was only waiting in the epoch before.
  enter(state) {
    const epochOf = ({ groupContext }) => `${hex(groupContext.groupId)} ${groupContext.epoch}`
    if (this.state === null || epochOf(this.state) !== epochOf(state)) {
      this.pendingCommit = null
      this.pendingLeafKeys = []
    }
    this.state = state
  }

  // The suite of the group, which after a ReInit need not be the client's first.
  cipher() {
    return implementationOf(this.state?.groupContext.cipherSuite ?? suiteName(this.suite))
  }

  package(index = this.packages.length - 1) {
    const found = this.packages[index]
    if (found === undefined) throw new RequestError("no such key package")
    return found
  }

  pskIndex() {
    const resumption = makePskIndex(this.state ?? undefined, {})
    return {
      findPsk: (id) =>
        id.psktype === "external" ? this.psks.get(hex(id.pskId)) : resumption.findPsk(id),
    }
  }

  // What every member of one epoch must agree on, and where this one stands.
  snapshot() {
    if (this.state === null) return {}
    const { groupContext: context, keySchedule, privatePath, groupActiveState } = this.state
    return {
      epoch: Number(context.epoch),
      group_id: hex(context.groupId),
      epoch_authenticator: hex(keySchedule.epochAuthenticator),
      leaf_index: privatePath.leafIndex,
      tree_hash: hex(context.treeHash),
      confirmed_transcript_hash: hex(context.confirmedTranscriptHash),
      active: groupActiveState.kind,
    }
  }

  members() {
    return this.group.ratchetTree.flatMap((node, index) =>
      node?.nodeType !== "leaf"
        ? []
        : {
            leaf_index: index / 2,
            identity: node.leaf.credential.identity ? hex(node.leaf.credential.identity) : null,
            signature_key: hex(node.leaf.signaturePublicKey),
            encryption_key: hex(node.leaf.hpkePublicKey),
            source: node.leaf.leafNodeSource,
          },
    )
  }
}

function configFrom(request) {
  const pad = request.pad ?? 256
  return {
    keyRetentionConfig: { ...defaultKeyRetentionConfig, ...request.retention },
    lifetimeConfig: {
      maximumTotalLifetime: BigInt(request.max_lifetime ?? 400n * DAY_S),
      validateLifetimeOnReceive: request.validate_lifetime ?? false,
    },
    keyPackageEqualityConfig: defaultKeyPackageEqualityConfig,
    paddingConfig:
      pad === 0
        ? { kind: "alwaysPad", paddingLength: 0 }
        : { kind: "padUntilLength", padUntilLength: pad },
    authService: defaultAuthenticationService,
  }
}

// ---- Proposals ----

// An Update is a leaf with a new key.  ts-mls has no function that makes one, so
// we sign it with the pieces it has, and keep the private key for the commit.
async function updateProposal(client, cipher) {
  const { groupContext, privatePath, signaturePrivateKey } = client.group
  const leaf = getOwnLeafNode(client.group)
  const keys = await cipher.hpke.generateKeyPair()
  const leafNode = await signLeafNodeCommit(
    {
      leafNodeSource: "update",
      hpkePublicKey: await cipher.hpke.exportPublicKey(keys.publicKey),
      signaturePublicKey: leaf.signaturePublicKey,
      credential: leaf.credential,
      capabilities: leaf.capabilities,
      extensions: leaf.extensions,
      groupId: groupContext.groupId,
      leafIndex: privatePath.leafIndex,
    },
    signaturePrivateKey,
    cipher.signature,
  )
  client.pendingLeafKeys.push(await cipher.hpke.exportPrivateKey(keys.privateKey))
  return { proposalType: "update", update: { leafNode } }
}

const pskProposal = (preSharedKeyId) => ({ proposalType: "psk", psk: { preSharedKeyId } })

// The proposals of a `propose` or `commit` request, in the order of this function.
async function proposalsFrom(client, request, cipher) {
  const nonce = () => cipher.rng.randomBytes(cipher.kdf.size)
  const proposals = []
  for (const text of request.add ?? []) {
    const { keyPackage } = decodeMessage(text, "mls_key_package")
    proposals.push({ proposalType: "add", add: { keyPackage } })
  }
  if (request.update) proposals.push(await updateProposal(client, cipher))
  for (const removed of request.remove ?? [])
    proposals.push({ proposalType: "remove", remove: { removed } })
  for (const id of request.psk ?? [])
    proposals.push(pskProposal({ psktype: "external", pskId: unhex(id), pskNonce: nonce() }))
  for (const epoch of request.resumption_psk ?? [])
    proposals.push(
      pskProposal({
        psktype: "resumption",
        usage: "application",
        pskGroupId: client.group.groupContext.groupId,
        pskEpoch: BigInt(epoch),
        pskNonce: nonce(),
      }),
    )
  if (request.group_context_extensions) {
    const extensions = extensionsFrom(request.group_context_extensions)
    proposals.push({
      proposalType: "group_context_extensions",
      groupContextExtensions: { extensions },
    })
  }
  for (const { type, data } of request.custom ?? [])
    proposals.push({ proposalType: type, proposalData: unhex(data) })
  if (request.reinit) proposals.push(reinitProposal(client, request.reinit))
  return proposals
}

function reinitProposal(client, { group_id, suite, extensions }) {
  const { cipherSuite } = client.group.groupContext
  return {
    proposalType: "reinit",
    reinit: {
      groupId: unhex(group_id),
      version: "mls10",
      cipherSuite: suite === undefined ? cipherSuite : suiteName(suite),
      extensions: extensionsFrom(extensions),
    },
  }
}

// ts-mls commits everything in its pool.  Our own Updates must not be among it:
// "it contains an Update proposal generated by the committer" (RFC 9420, 12.2).
function withoutOwnUpdates(state) {
  const unappliedProposals = Object.fromEntries(
    Object.entries(state.unappliedProposals).filter(
      ([, { proposal, senderLeafIndex }]) =>
        proposal.proposalType !== "update" || senderLeafIndex !== state.privatePath.leafIndex,
    ),
  )
  return { ...state, unappliedProposals }
}

// ---- Receiving ----

function processOne(client, state, message, cipher, callback) {
  const psks = client.pskIndex()
  if (message.wireformat === "mls_public_message")
    return processPublicMessage(state, message.publicMessage, psks, cipher, callback)
  // Not processMessage(): for a PrivateMessage that one looks for no PSKs.
  return processPrivateMessage(state, message.privateMessage, psks, cipher, callback)
}

// A commit that covers our Update is sealed to the key in it.  Whether it does is
// hidden in a PrivateMessage, so we try the key that we have, then the new ones;
// states are values, so a try that fails changes nothing.
async function processWithAnyLeafKey(client, message, cipher, callback) {
  try {
    return await processOne(client, client.group, message, cipher, callback)
  } catch (error) {
    const { privatePath } = client.group
    for (const key of client.pendingLeafKeys) {
      const privateKeys = { ...privatePath.privateKeys, [2 * privatePath.leafIndex]: key }
      const state = { ...client.group, privatePath: { ...privatePath, privateKeys } }
      try {
        return await processOne(client, state, message, cipher, callback)
      } catch {
        // The first failure is the one worth telling.
      }
    }
    throw error
  }
}

// ---- External joins ----

// RFC 9420, 12.4.3.2: "struct { HPKEPublicKey external_pub; } ExternalPub;", and that
// is an `opaque HPKEPublicKey<V>`: a length, then the key.  ts-mls 1 reads and writes
// the bare key.  The GroupInfo is signed, so nothing can be mended afterwards; but the
// key passes through `hpke` on its way, and there we add the length and take it off.
function withExternalPubAsVector(cipher, groupInfo) {
  const { hpke } = cipher
  const extension = groupInfo?.extensions.find((e) => e.extensionType === "external_pub")
  return {
    ...cipher,
    hpke: {
      ...hpke,
      exportPublicKey: async (key) =>
        groupInfo === undefined
          ? encode(varLenDataEncoder)(await hpke.exportPublicKey(key))
          : hpke.exportPublicKey(key),
      // The very same array, not an equal one: the keys of the tree come by here, too.
      importPublicKey: (bytes) =>
        hpke.importPublicKey(
          bytes === extension?.extensionData ? decodeVarLenData(bytes, 0)[0] : bytes,
        ),
    },
  }
}

// ---- New groups out of old ones ----

// Make a group whose first commit adds `key_packages` and binds it to the old
// group by a resumption PSK (RFC 9420, 11.2 and 11.3).  The client moves there.
async function startFrom(client, request, { usage, groupId, suite, extensions }) {
  const cipher = await implementationOf(suite)
  const own = client.package(request.package)
  const { id } = makeResumptionPsk(client.group, usage, cipher)
  const adds = (request.key_packages ?? []).map((text) => ({
    proposalType: "add",
    add: { keyPackage: decodeMessage(text, "mls_key_package").keyPackage },
  }))
  const state = await createGroup(
    groupId,
    own.publicPackage,
    own.privatePackage,
    extensions,
    cipher,
    client.config,
  )
  const made = await createCommit(
    { state, cipherSuite: cipher, pskIndex: client.pskIndex() },
    {
      extraProposals: [...adds, pskProposal(id)],
      ratchetTreeExtension: request.ratchet_tree ?? true,
    },
  )
  client.enter(made.newState)
  return { ...commitReply(made, request), ...client.snapshot() }
}

function commitReply(made, request) {
  const { commit, welcome, newState } = made
  const reply = {
    commit: encodeMessage(commit),
    welcome: welcome ? encodeMessage({ wireformat: "mls_welcome", welcome }) : null,
  }
  if (request.ratchet_tree === false) reply.tree = hex(encodeRatchetTree(newState.ratchetTree))
  return reply
}

// ---- The verbs ----

const verbs = {
  async suites() {
    return { suites: ciphersuites }
  },

  async init(client, request) {
    const cipher = await implementationOf(suiteName(request.suite))
    Object.assign(client, new Client(), {
      suite: request.suite,
      identity: request.identity ?? "ts",
      config: configFrom(request),
    })
    return { suite_name: cipher.name, kdf_nh: cipher.kdf.size }
  },

  async key_package(client, request) {
    const cipher = await implementationOf(suiteName(request.suite ?? client.suite))
    const now = BigInt(Math.floor(Date.now() / 1000))
    const identity = request.identity_hex
      ? unhex(request.identity_hex)
      : utf8(request.identity ?? client.identity)
    const content = [
      request.certificates
        ? { credentialType: "x509", certificates: request.certificates.map(unhex) }
        : { credentialType: "basic", identity },
      {
        versions: ["mls10"],
        ciphersuites: request.cap_suites ? request.cap_suites.map(suiteName) : [cipher.name],
        extensions: request.cap_extensions ?? [],
        proposals: request.cap_proposals ?? [],
        credentials: ["basic", ...(request.cap_x509 || request.certificates ? ["x509"] : [])],
      },
      {
        notBefore: BigInt(request.not_before ?? now - HOUR_S),
        notAfter: BigInt(request.not_after ?? now + 28n * DAY_S),
      },
      extensionsFrom(request.extensions),
    ]
    const leafExtensions = extensionsFrom(request.leaf_extensions)
    const keys =
      request.reuse_signature_key === undefined
        ? await newSignatureKeys(cipher, request.compressed_signature_key ?? false)
        : signatureKeys(client.package(request.reuse_signature_key))
    const made = await generateKeyPackageWithKey(...content, keys, cipher, leafExtensions)
    client.packages.push(made)
    const { publicPackage, privatePackage } = made
    return {
      index: client.packages.length - 1,
      key_package: encodeMessage({ wireformat: "mls_key_package", keyPackage: publicPackage }),
      ref: hex(await makeKeyPackageRef(publicPackage, cipher.hash)),
      ...(request.reveal ? { private: revealed(privatePackage) } : {}),
    }
  },

  async create_group(client, request) {
    const { publicPackage, privatePackage } = client.package(request.package)
    const cipher = await implementationOf(publicPackage.cipherSuite)
    client.enter(
      await createGroup(
        unhex(request.group_id),
        publicPackage,
        privatePackage,
        extensionsFrom(request.extensions),
        cipher,
        client.config,
      ),
    )
    return client.snapshot()
  },

  async psk(client, request) {
    client.psks.set(request.psk_id, unhex(request.psk))
    return {}
  },

  async propose(client, request) {
    const cipher = await client.cipher()
    const messages = []
    for (const proposal of await proposalsFrom(client, request, cipher)) {
      const aad = unhex(request.aad)
      const isPublic = request.public ?? false
      const made = await createProposal(client.group, isPublic, proposal, cipher, aad)
      client.enter(made.newState)
      messages.push(encodeMessage(made.message))
    }
    return { messages, ...client.snapshot() }
  },

  async commit(client, request) {
    const cipher = await client.cipher()
    const extraProposals = await proposalsFrom(client, request, cipher)
    const made = await createCommit(
      {
        state: withoutOwnUpdates(client.group),
        cipherSuite: cipher,
        pskIndex: client.pskIndex(),
      },
      {
        wireAsPublicMessage: request.public ?? false,
        extraProposals,
        ratchetTreeExtension: request.ratchet_tree ?? true,
        groupInfoExtensions: extensionsFrom(request.group_info_extensions),
        authenticatedData: unhex(request.aad),
      },
    )
    const reply = commitReply(made, request)
    if (request.merge === false) {
      client.pendingCommit = made.newState
      return reply
    }
    client.enter(made.newState)
    return { ...reply, ...client.snapshot() }
  },

  async merge(client) {
    if (client.pendingCommit === null) throw new RequestError("no pending commit")
    client.enter(client.pendingCommit)
    return client.snapshot()
  },

  async discard(client) {
    client.pendingCommit = null
    return client.snapshot()
  },

  async join(client, request) {
    const { welcome } = decodeMessage(request.welcome, "mls_welcome")
    const cipher = await implementationOf(welcome.cipherSuite)
    const own =
      request.package === undefined
        ? await packageForWelcome(client, welcome, cipher)
        : client.package(request.package)
    const [state, extensions] = await joinGroupWithExtensions(
      welcome,
      own.publicPackage,
      own.privatePackage,
      client.pskIndex(),
      cipher,
      decodeTree(request.ratchet_tree),
      // The old group; looked at only if the Welcome is a ReInit's or a branch's.
      client.state ?? undefined,
      client.config,
    )
    client.enter(state)
    const brief = ({ extensionType, extensionData }) => ({
      type: extensionType,
      len: extensionData.length,
    })
    return { group_info_extensions: extensions.map(brief), ...client.snapshot() }
  },

  async process(client, request) {
    const message = decodeMessage(request.message, "mls_public_message", "mls_private_message")
    let seen = null
    const callback = (content) => {
      seen = content
      return request.reject ? "reject" : "accept"
    }
    const cipher = await client.cipher()
    const result = await processWithAnyLeafKey(client, message, cipher, callback)
    client.enter(result.newState)
    if (result.kind === "applicationMessage")
      return { kind: "application", data: hex(result.message), ...client.snapshot() }
    const reply = { kind: seen.kind, action: result.actionTaken, ...client.snapshot() }
    if (seen.kind === "commit") {
      const proposals = seen.proposals.map(({ proposal }) => proposal.proposalType)
      return { ...reply, sender: seen.senderLeafIndex ?? null, proposals }
    }
    const { proposal, senderLeafIndex } = seen.proposal
    return { ...reply, sender: senderLeafIndex ?? null, proposal: proposal.proposalType }
  },

  async send(client, request) {
    const cipher = await client.cipher()
    const data = unhex(request.data)
    const made = await createApplicationMessage(client.group, data, cipher, unhex(request.aad))
    client.enter(made.newState)
    const { privateMessage } = made
    return { message: encodeMessage({ wireformat: "mls_private_message", privateMessage }) }
  },

  async export(client, request) {
    const { exporterSecret } = client.group.keySchedule
    const context = unhex(request.context)
    const cipher = await client.cipher()
    const secret = await mlsExporter(exporterSecret, request.label, context, request.length, cipher)
    return { secret: hex(secret) }
  },

  async state(client, request) {
    if (!request.full) return client.snapshot()
    const { ratchetTree, groupContext, keySchedule } = client.group
    return {
      ...client.snapshot(),
      ratchet_tree: hex(encodeRatchetTree(ratchetTree)),
      group_context: hex(encodeGroupContext(groupContext)),
      resumption_psk: hex(keySchedule.resumptionPsk),
      members: client.members(),
    }
  },

  async group_info(client, request) {
    const make =
      request.ratchet_tree === false
        ? createGroupInfoWithExternalPub
        : createGroupInfoWithExternalPubAndRatchetTree
    const cipher = await client.cipher()
    const mended = request.bare_external_pub ? cipher : withExternalPubAsVector(cipher)
    const groupInfo = await make(client.group, extensionsFrom(request.extensions), mended)
    return { group_info: encodeMessage({ wireformat: "mls_group_info", groupInfo }) }
  },

  async join_external(client, request) {
    const { groupInfo } = decodeMessage(request.group_info, "mls_group_info")
    const own = client.package(request.package)
    const cipher = await implementationOf(groupInfo.groupContext.cipherSuite)
    const made = await joinGroupExternal(
      groupInfo,
      own.publicPackage,
      own.privatePackage,
      request.resync ?? false,
      request.bare_external_pub ? cipher : withExternalPubAsVector(cipher, groupInfo),
      decodeTree(request.ratchet_tree),
      client.config,
      unhex(request.aad),
    )
    client.enter(made.newState)
    const { publicMessage } = made
    const commit = encodeMessage({ wireformat: "mls_public_message", publicMessage })
    return { commit, ...client.snapshot() }
  },

  async propose_add_external(client, request) {
    const { groupInfo } = decodeMessage(request.group_info, "mls_group_info")
    const own = client.package(request.package)
    const message = await proposeAddExternal(
      groupInfo,
      own.publicPackage,
      own.privatePackage,
      await implementationOf(groupInfo.groupContext.cipherSuite),
    )
    return { message: encodeMessage(message) }
  },

  async save(client) {
    return { state: hex(encodeGroupState(client.group)) }
  },

  async load(client, request) {
    const decoded = decodeGroupState(unhex(request.state), 0)
    if (decoded === undefined) throw new RequestError("not a saved state")
    client.pendingCommit = null
    client.pendingLeafKeys = []
    client.state = { ...decoded[0], clientConfig: client.config }
    return client.snapshot()
  },

  async reinit(client, request) {
    const { groupActiveState } = client.group
    if (groupActiveState.kind !== "suspendedPendingReinit")
      throw new RequestError("no ReInit was committed")
    const { groupId, cipherSuite, extensions } = groupActiveState.reinit
    return startFrom(client, request, { usage: "reinit", groupId, suite: cipherSuite, extensions })
  },

  async branch(client, request) {
    const { cipherSuite, extensions } = client.group.groupContext
    return startFrom(client, request, {
      usage: "branch",
      groupId: unhex(request.group_id),
      suite: cipherSuite,
      extensions: request.extensions ? extensionsFrom(request.extensions) : extensions,
    })
  },

  // -- Probes: the KEM alone, to find out where two implementations part. --

  async derive_key_pair(client, request) {
    const { hpke } = await client.cipher()
    const keys = await hpke.deriveKeyPair(unhex(request.ikm))
    return {
      public: hex(await hpke.exportPublicKey(keys.publicKey)),
      private: hex(await hpke.exportPrivateKey(keys.privateKey)),
    }
  },

  async hpke_seal(client, request) {
    const { hpke } = await client.cipher()
    const key = await hpke.importPublicKey(unhex(request.public))
    const { plaintext, info, aad } = request
    const sealed = await hpke.seal(key, unhex(plaintext), unhex(info), unhex(aad))
    return { enc: hex(sealed.enc), ct: hex(sealed.ct) }
  },

  async hpke_open(client, request) {
    const { hpke } = await client.cipher()
    const key = await hpke.importPrivateKey(unhex(request.private))
    const { enc, ct, info, aad } = request
    return { plaintext: hex(await hpke.open(key, unhex(enc), unhex(ct), unhex(info), unhex(aad))) }
  },

  async hpke_export(client, request) {
    const { hpke } = await client.cipher()
    const key = await hpke.importPublicKey(unhex(request.public))
    const { context, length, info } = request
    const exported = await hpke.exportSecret(key, unhex(context), length, unhex(info))
    return { enc: hex(exported.enc), secret: hex(exported.secret) }
  },

  async hpke_import(client, request) {
    const { hpke } = await client.cipher()
    const key = await hpke.importPrivateKey(unhex(request.private))
    const { enc, context, length, info } = request
    const secret = await hpke.importSecret(key, unhex(context), unhex(enc), length, unhex(info))
    return { secret: hex(secret) }
  },
}

// RFC 9420, 5.1.1: an ECDSA key is an uncompressed point.  ts-mls 1 reads both forms and
// makes compressed ones.
const nistCurves = { P256: p256, P384: p384, P521: p521 }

async function newSignatureKeys(cipher, compressed) {
  const { signKey, publicKey } = await cipher.signature.keygen()
  const curve = nistCurves[getCiphersuiteFromName(cipher.name).signature]
  const asItIs = curve === undefined || compressed
  return { signKey, publicKey: asItIs ? publicKey : curve.Point.fromBytes(publicKey).toBytes(false) }
}

function signatureKeys({ publicPackage, privatePackage }) {
  return {
    signKey: privatePackage.signaturePrivateKey,
    publicKey: publicPackage.leafNode.signaturePublicKey,
  }
}

function revealed({ initPrivateKey, hpkePrivateKey, signaturePrivateKey }) {
  return {
    init: hex(initPrivateKey),
    encryption: hex(hpkePrivateKey),
    signature: hex(signaturePrivateKey),
  }
}

async function packageForWelcome(client, welcome, cipher) {
  const wanted = new Set(welcome.secrets.map(({ newMember }) => hex(newMember)))
  for (const own of client.packages)
    if (wanted.has(hex(await makeKeyPackageRef(own.publicPackage, cipher.hash)))) return own
  throw new RequestError("the Welcome is for none of my key packages")
}

// ---- The loop ----

const clients = new Map()

function clientNamed(name) {
  if (!clients.has(name)) clients.set(name, new Client())
  return clients.get(name)
}

async function answer(request) {
  const verb = Object.hasOwn(verbs, request.cmd) ? verbs[request.cmd] : undefined
  if (verb === undefined) throw new RequestError(`unknown cmd ${request.cmd}`)
  const client = clientNamed(request.client ?? "")
  if (client.suite === null && !["init", "suites"].includes(request.cmd))
    throw new RequestError("init comes first")
  return verb(client, request)
}

function reply(fields) {
  process.stdout.write(`${JSON.stringify(fields)}\n`)
}

const lines = readline.createInterface({ input: process.stdin, crlfDelay: Infinity })
for await (const line of lines) {
  let request = {}
  try {
    request = JSON.parse(line)
    if (request.cmd === "quit") {
      reply({ id: request.id ?? null, ok: true })
      break
    }
    reply({ id: request.id ?? null, ok: true, ...(await answer(request)) })
  } catch (error) {
    const text = `${error?.constructor?.name ?? "Error"}: ${error?.message ?? error}`
    reply({ id: request?.id ?? null, ok: false, error: text })
  }
}
lines.close()
process.stdin.destroy()
