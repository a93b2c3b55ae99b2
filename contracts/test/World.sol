// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {CashVault} from "../src/CashVault.sol";
import {ICashToken} from "../src/interfaces/ICashToken.sol";
import {CashDelta} from "../src/interfaces/ICashVault.sol";
import {IIdentityRegistry, IPropertyToken, ITokenCompliance} from "../src/interfaces/IPropertyToken.sol";
import {Leg} from "../src/interfaces/ITokenLocker.sol";
import {MockUSDC} from "../src/MockUSDC.sol";
import {Batch, SettlementBridge} from "../src/SettlementBridge.sol";
import {TokenLocker} from "../src/TokenLocker.sol";
import {Test} from "./Test.sol";

/// @notice What the tests call on the T-REX suite beyond our own interfaces.
interface ISuiteToken is IPropertyToken {
    function mint(address to, uint256 amount) external;
    function pause() external;
    function unpause() external;
    function setAddressFrozen(address account, bool frozen) external;
    function recoveryAddress(address lost, address fresh, address identity) external returns (bool);
    function transfer(address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
    function addAgent(address agent) external;
}

interface ISuiteRegistry is IIdentityRegistry {
    function registerIdentity(address account, address identity, uint16 country) external;
    function deleteIdentity(address account) external;
}

interface ISuiteCompliance is ITokenCompliance {
    function addModule(address module) external;
    function removeModule(address module) external;
    function callModuleFunction(bytes calldata data, address module) external;
}

interface ISuiteFactory {
    struct TokenDetails {
        address owner;
        string name;
        string symbol;
        uint8 decimals;
        address irs;
        address onchainId;
        address[] irAgents;
        address[] tokenAgents;
        address[] complianceModules;
        bytes[] complianceSettings;
    }

    struct ClaimDetails {
        uint256[] claimTopics;
        address[] issuers;
        uint256[][] issuerClaims;
    }

    function deployTREXSuite(string memory salt, TokenDetails calldata token, ClaimDetails calldata claims) external;
    function getToken(string calldata salt) external view returns (address);
}

interface IIdentities {
    function addTokenFactory(address factory) external;
    function createIdentityWithManagementKeys(address wallet, string memory salt, bytes32[] memory keys)
        external
        returns (address);
}

interface IIdentityContract {
    function addKey(bytes32 key, uint256 purpose, uint256 keyType) external returns (bool);
    function addClaim(
        uint256 topic,
        uint256 scheme,
        address issuer,
        bytes memory signature,
        bytes memory data,
        string memory uri
    ) external returns (bytes32);
}

interface IClaims {
    function revokeClaim(bytes32 claimId, address identity) external returns (bool);
}

interface IVersions {
    struct Version {
        uint8 major;
        uint8 minor;
        uint8 patch;
    }

    struct Contracts {
        address token;
        address ctr;
        address ir;
        address irs;
        address tir;
        address mc;
    }

    function addAndUseTREXVersion(Version calldata version, Contracts calldata contracts) external;
    function setTREXFactory(address factory) external;
}

/// @notice The real T-REX suite from its npm artifacts, our contracts around it, and verified investors with cash and
///         locked tokens. The test contract itself is owner and agent of everything that is not ours.
abstract contract World is Test {
    string private constant TREX = "../node_modules/@tokenysolutions/t-rex/artifacts/contracts/";
    string private constant ONCHAINID = "../node_modules/@onchain-id/solidity/artifacts/contracts/";
    uint256 internal constant TOPIC = 1;
    uint256 private constant CLAIM_KEY = 0xC1A1;
    uint64 internal constant CHANGE_DELAY = 12 hours;
    uint64 internal constant EXIT_DELAY = 1 days;
    uint64 internal constant PAUSE = 6 hours;
    uint256 internal constant CASH = 1_000_000e6;
    uint256 internal constant TOKENS = 10_000;

    address internal constant OWNER = address(0xA1);
    address internal constant OPERATOR = address(0xA2);
    address internal constant RELEASER = address(0xA3);
    address internal constant GUARDIAN = address(0xA4);
    address internal constant ISSUER = address(0xA5);
    address internal constant FEES = address(0xA6);
    address internal constant STRANGER = address(0xA7);

    MockUSDC internal usdc;
    CashVault internal vault;
    TokenLocker internal locker;
    SettlementBridge internal bridge;
    address internal claimIssuer;
    IIdentities internal identities;
    ISuiteFactory internal factory;
    ISuiteToken internal token;
    ISuiteRegistry internal registry;
    ISuiteCompliance internal compliance;
    mapping(address => address) internal identityOf;
    address internal alice;
    address internal bob;
    address internal carol;

    function buildWorld() internal {
        vm.warp(1_800_000_000);
        _deployOurs();
        _deployTrex();
        (token, registry, compliance) = newToken("OAK12", new address[](0), new bytes[](0));
        alice = newInvestor(0xB1);
        bob = newInvestor(0xB2);
        carol = newInvestor(0xB3);
    }

    /// @return wallet A verified investor with `CASH` in the vault and `TOKENS` locked.
    function newInvestor(uint256 key) internal returns (address wallet) {
        wallet = newVerified(key);
        fund(wallet, CASH);
        token.mint(wallet, TOKENS);
        lockTokens(wallet, TOKENS);
    }

    function newVerified(uint256 key) internal returns (address wallet) {
        wallet = vm.addr(key);
        bytes32[] memory keys = new bytes32[](1);
        keys[0] = keccak256(abi.encode(address(this)));
        address identity = identities.createIdentityWithManagementKeys(wallet, vm.toString(key), keys);
        bytes memory data = abi.encode(key);
        bytes32 digest = keccak256(abi.encode(identity, TOPIC, data));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(CLAIM_KEY, keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", digest)));
        IIdentityContract(identity).addClaim(TOPIC, 1, claimIssuer, abi.encodePacked(r, s, v), data, "");
        registry.registerIdentity(wallet, identity, 276);
        identityOf[wallet] = identity;
    }

    function fund(address wallet, uint256 amount) internal {
        usdc.mint(wallet, amount);
        vm.startPrank(wallet);
        usdc.approve(address(vault), amount);
        vault.deposit(amount);
        vm.stopPrank();
    }

    function lockTokens(address wallet, uint256 amount) internal {
        vm.prank(wallet);
        locker.lock(address(token), amount);
    }

    function mintLocked(address wallet, uint256 amount) internal {
        token.mint(wallet, amount);
        lockTokens(wallet, amount);
    }

    /// @dev What `recoveryAddress` asks of the new wallet: a management key of the identity.
    function addManagementKey(address wallet, address fresh) internal {
        IIdentityContract(identityOf[wallet]).addKey(keccak256(abi.encode(fresh)), 1, 1);
    }

    function revokeClaimOf(address wallet) internal {
        IClaims(claimIssuer).revokeClaim(keccak256(abi.encode(claimIssuer, TOPIC)), identityOf[wallet]);
    }

    /// @return batch One leg and the cash that pays for it.
    function trade(address seller, address buyer, uint256 qty, uint256 notional)
        internal
        view
        returns (Batch memory batch)
    {
        batch.tokens = new address[](1);
        batch.tokens[0] = address(token);
        batch.legs = new Leg[](1);
        batch.legs[0] = Leg(0, seller, buyer, uint128(qty));
        batch.cash = new CashDelta[](2);
        batch.cash[0] = CashDelta(buyer, -int128(int256(notional)));
        batch.cash[1] = CashDelta(seller, int128(int256(notional)));
    }

    function settle(Batch memory batch) internal {
        uint64 last = bridge.lastTrade();
        vm.prank(OPERATOR);
        bridge.settle(last, last + 1, last + 1, bytes32(uint256(last)), batch);
    }

    /// @dev The next call to the bridge must fail with `reason`.
    function settleFails(Batch memory batch, bytes memory reason) internal {
        uint64 last = bridge.lastTrade();
        vm.prank(OPERATOR);
        vm.expectRevert(reason);
        bridge.settle(last, last + 1, last + 1, bytes32(uint256(last)), batch);
    }

    function registryOf(ISuiteToken suite) internal view returns (ISuiteRegistry) {
        return ISuiteRegistry(address(suite.identityRegistry()));
    }

    function lockedOf(address holder) internal view returns (uint256 locked) {
        (locked,,,) = locker.lockOf(address(token), holder);
    }

    function issuerFrozenOf(address holder) internal view returns (uint256 issuerFrozen) {
        (, issuerFrozen,,) = locker.lockOf(address(token), holder);
    }

    function unlockRequestOf(address holder) internal view returns (uint256 requested) {
        (,, requested,) = locker.lockOf(address(token), holder);
    }

    function cashOf(address account) internal view returns (uint256 balance) {
        (balance,,,) = vault.accountOf(account);
    }

    function withdrawRequestOf(address account) internal view returns (uint256 requested) {
        (, requested,,) = vault.accountOf(account);
    }

    function _deployOurs() private {
        usdc = new MockUSDC(address(this));
        vault = new CashVault(ICashToken(address(usdc)), OWNER, CHANGE_DELAY, EXIT_DELAY);
        locker = new TokenLocker(OWNER, CHANGE_DELAY, EXIT_DELAY);
        bridge = new SettlementBridge(vault, locker, OWNER, CHANGE_DELAY, PAUSE);
        vm.startPrank(OWNER);
        vault.appoint("bridge", address(bridge));
        vault.appoint("releaser", RELEASER);
        vault.register(FEES);
        locker.appoint("bridge", address(bridge));
        locker.appoint("releaser", RELEASER);
        locker.appoint("issuer", ISSUER);
        bridge.appoint("operator", OPERATOR);
        bridge.appoint("guardian", GUARDIAN);
        vm.stopPrank();
    }

    function _deployTrex() private {
        address identityCode =
            _create(ONCHAINID, "Identity.sol/Identity.json", abi.encode(address(this), true));
        address authority =
            _create(ONCHAINID, "proxy/ImplementationAuthority.sol/ImplementationAuthority.json", abi.encode(identityCode));
        identities = IIdentities(_create(ONCHAINID, "factory/IdFactory.sol/IdFactory.json", abi.encode(authority)));
        string memory path = "proxy/authority/TREXImplementationAuthority.sol/TREXImplementationAuthority.json";
        IVersions versions = IVersions(_create(TREX, path, abi.encode(true, address(0), address(0))));
        versions.addAndUseTREXVersion(IVersions.Version(4, 1, 6), _implementations());
        path = "factory/TREXFactory.sol/TREXFactory.json";
        factory = ISuiteFactory(_create(TREX, path, abi.encode(address(versions), address(identities))));
        identities.addTokenFactory(address(factory));
        versions.setTREXFactory(address(factory));
        claimIssuer = _create(ONCHAINID, "ClaimIssuer.sol/ClaimIssuer.json", abi.encode(address(this)));
        IIdentityContract(claimIssuer).addKey(keccak256(abi.encode(vm.addr(CLAIM_KEY))), 3, 1);
    }

    function _implementations() private returns (IVersions.Contracts memory contracts) {
        string memory base = "registry/implementation/";
        contracts.token = _create(TREX, "token/Token.sol/Token.json", "");
        contracts.ctr =
            _create(TREX, string.concat(base, "ClaimTopicsRegistry.sol/ClaimTopicsRegistry.json"), "");
        contracts.ir = _create(TREX, string.concat(base, "IdentityRegistry.sol/IdentityRegistry.json"), "");
        contracts.irs =
            _create(TREX, string.concat(base, "IdentityRegistryStorage.sol/IdentityRegistryStorage.json"), "");
        contracts.tir =
            _create(TREX, string.concat(base, "TrustedIssuersRegistry.sol/TrustedIssuersRegistry.json"), "");
        contracts.mc = _create(TREX, "compliance/modular/ModularCompliance.sol/ModularCompliance.json", "");
    }

    function newToken(string memory salt, address[] memory modules, bytes[] memory settings)
        internal
        returns (ISuiteToken token_, ISuiteRegistry registry_, ISuiteCompliance compliance_)
    {
        ISuiteFactory.TokenDetails memory details;
        (details.owner, details.name, details.symbol) = (address(this), salt, salt);
        (details.complianceModules, details.complianceSettings) = (modules, settings);
        details.irAgents = new address[](1);
        details.irAgents[0] = address(this);
        details.tokenAgents = new address[](2);
        (details.tokenAgents[0], details.tokenAgents[1]) = (address(this), address(locker));
        ISuiteFactory.ClaimDetails memory claims;
        claims.claimTopics = new uint256[](1);
        claims.claimTopics[0] = TOPIC;
        claims.issuers = new address[](1);
        claims.issuers[0] = claimIssuer;
        claims.issuerClaims = new uint256[][](1);
        claims.issuerClaims[0] = claims.claimTopics;
        factory.deployTREXSuite(salt, details, claims);
        token_ = ISuiteToken(factory.getToken(salt));
        registry_ = registryOf(token_);
        compliance_ = ISuiteCompliance(address(token_.compliance()));
        token_.unpause();
        vm.prank(OWNER);
        locker.setListed(address(token_), true);
    }

    /// @dev Makes `token` a new token with one module, set up as said, and the three known to its registry.
    function renew(string memory salt, address module, bytes memory setting) internal {
        address[] memory modules = new address[](1);
        bytes[] memory settings = new bytes[](1);
        (modules[0], settings[0]) = (module, setting);
        (token, registry, compliance) = newToken(salt, modules, settings);
        registry.registerIdentity(alice, identityOf[alice], 276);
        registry.registerIdentity(bob, identityOf[bob], 276);
        registry.registerIdentity(carol, identityOf[carol], 276);
    }

    function _create(string memory root, string memory path, bytes memory arguments) private returns (address made) {
        bytes memory code = vm.parseJsonBytes(vm.readFile(string.concat(root, path)), ".bytecode");
        code = abi.encodePacked(code, arguments);
        // solhint-disable-next-line no-inline-assembly
        assembly {
            made := create(0, add(code, 0x20), mload(code))
        }
        if (made == address(0)) revert NotTrue(path);
    }
}
