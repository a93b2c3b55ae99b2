// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ICashToken} from "./interfaces/ICashToken.sol";
import {IContractSigner} from "./interfaces/IContractSigner.sol";
import {IPropertyToken} from "./interfaces/IPropertyToken.sol";
import {NonReentrant} from "./NonReentrant.sol";
import {SafeCash} from "./SafeCash.sol";
import {Timelocked} from "./Timelocked.sol";

/// @param issuer          Holds the unsold tokens and gets the cash; must have approved the tokens to this contract.
/// @param priceUsdcMicros For one lot, at least 1.
/// @param lotBaseUnits    Base units of the token in a lot, at least 1; quantities are whole lots.
/// @param qtyMax          Base units that this sale sells.
/// @param perBuyerMax     Base units that one wallet may buy in it.
/// @param opensAt         Seconds; the first second in which one can buy.
/// @param closesAt        Seconds; the first in which one cannot any more.
struct SaleTerms {
    address issuer;
    uint128 priceUsdcMicros;
    uint128 lotBaseUnits;
    uint128 qtyMax;
    uint128 perBuyerMax;
    uint64 opensAt;
    uint64 closesAt;
}

/// @notice What a buyer signs (EIP-712).
/// @param qty      Base units of the token.
/// @param usdcMax  The most that the buyer pays, in USDC micros.
/// @param nonce    Any number that this buyer never used here.
/// @param deadline Seconds; the last second in which the purchase may be made.
struct Purchase {
    address buyer;
    address token;
    uint256 qty;
    uint256 usdcMax;
    uint256 nonce;
    uint256 deadline;
}

/// @title  The first sale of a property's tokens
/// @notice A signed purchase swaps USDC of the buyer for tokens of the issuer, both or neither. Anybody may bring it in.
///         This contract holds nothing. Who may receive the token is the token's own decision.
contract PrimarySale is Timelocked, NonReentrant {
    using SafeCash for ICashToken;

    struct Sale {
        SaleTerms terms;
        uint128 sold; // base units
        uint64 number; // counts the token's sales, so that what somebody bought in an earlier one does not count
        bool open;
    }

    bytes32 public constant OPERATOR = "operator";
    bytes32 public constant PURCHASE_TYPEHASH = keccak256(
        "Purchase(address buyer,address token,uint256 qty,uint256 usdcMax,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant _DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    uint256 private constant _HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    ICashToken public immutable usdc;

    mapping(address => mapping(uint256 => bool)) public isNonceUsed; // by buyer
    mapping(address => Sale) private _sales; // by token
    mapping(address => mapping(uint64 => mapping(address => uint256))) private _boughtBy; // by token, sale, buyer

    event SaleOpened(address indexed token, uint64 indexed number, SaleTerms terms);
    event SaleClosed(address indexed token, uint64 indexed number, uint256 sold);
    event Sold(
        address indexed token, address indexed buyer, uint256 indexed nonce, uint256 qty, uint256 usdcMicros, uint256 sold
    );

    error ZeroAmount();
    error WindowEmpty(uint256 opensAt, uint256 closesAt);
    error AlreadyOpen(address token);
    error SaleNotOpen(address token);
    error BeforeOpening(uint256 opensAt);
    error AfterClosing(uint256 closesAt);
    error PurchaseExpired(uint256 deadline);
    error PurchaseNotSigned(address buyer);
    error NonceUsed(address buyer, uint256 nonce);
    error BuyerIsIssuer(address buyer);
    error NotWholeLots(uint256 qty, uint256 lotBaseUnits);
    error MoreThanLeft(uint256 qty, uint256 left);
    error MoreThanAllowed(uint256 qty, uint256 left);
    error CostsMore(uint256 usdcMicros, uint256 usdcMax);
    error SellerNotVerified(address seller);
    error WrongAmountReceived(uint256 expected, uint256 received);
    error TokenTransferFailed(address token);

    constructor(ICashToken usdc_, address owner_, uint64 changeDelay_) Timelocked(owner_, changeDelay_) {
        if (address(usdc_) == address(0)) revert ZeroAddress();
        usdc = usdc_;
    }

    // ---- the platform ----

    /// @notice Open a sale of `token`. An earlier one must be closed.
    function open(address token, SaleTerms calldata terms) external only(OPERATOR) {
        Sale storage sale = _sales[token];
        if (sale.open) revert AlreadyOpen(token);
        if (terms.issuer == address(0)) revert ZeroAddress();
        if (terms.priceUsdcMicros == 0 || terms.lotBaseUnits == 0) revert ZeroAmount();
        if (terms.opensAt >= terms.closesAt) revert WindowEmpty(terms.opensAt, terms.closesAt);
        sale.terms = terms;
        (sale.sold, sale.number, sale.open) = (0, sale.number + 1, true);
        emit SaleOpened(token, sale.number, terms);
    }

    /// @notice End a sale, also before its time.
    function close(address token) external only(OPERATOR) {
        Sale storage sale = _sales[token];
        if (!sale.open) revert SaleNotOpen(token);
        sale.open = false;
        emit SaleClosed(token, sale.number, sale.sold);
    }

    // ---- the buyer, or anybody with the buyer's signature ----

    /// @notice Make a signed purchase; the buyer must have approved the cost in USDC to this contract.
    /// @param signature 65 bytes r, s, v of the buyer; or anything that the buyer, if a contract, accepts (EIP-1271).
    function buy(Purchase calldata purchase, bytes calldata signature) external nonReentrant {
        _buy(purchase, signature);
    }

    /// @notice `buy` with an EIP-2612 signature over `usdcMax` and `deadline` of the purchase in place of the approval.
    function buyWithPermit(Purchase calldata purchase, bytes calldata signature, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        // Anybody can use the permit first; then the allowance is there already, and the transfer decides.
        try usdc.permit(purchase.buyer, address(this), purchase.usdcMax, purchase.deadline, v, r, s) {} catch {}
        _buy(purchase, signature);
    }

    // ---- views ----

    function saleOf(address token) external view returns (Sale memory) {
        return _sales[token];
    }

    /// @return Base units that the buyer bought in the token's present or last sale.
    function boughtBy(address token, address buyer) external view returns (uint256) {
        return _boughtBy[token][_sales[token].number][buyer];
    }

    /// @notice What a buyer's key signs.
    function digestOf(Purchase calldata purchase) public view returns (bytes32) {
        bytes32 hash = keccak256(
            abi.encode(
                PURCHASE_TYPEHASH,
                purchase.buyer,
                purchase.token,
                purchase.qty,
                purchase.usdcMax,
                purchase.nonce,
                purchase.deadline
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domainSeparator(), hash));
    }

    function domainSeparator() public view returns (bytes32) {
        (bytes32 name, bytes32 version) = (keccak256("Deedbook Primary Sale"), keccak256("1"));
        return keccak256(abi.encode(_DOMAIN_TYPEHASH, name, version, block.chainid, address(this)));
    }

    // ---- one purchase ----

    function _buy(Purchase calldata purchase, bytes calldata signature) private {
        if (block.timestamp > purchase.deadline) revert PurchaseExpired(purchase.deadline);
        if (isNonceUsed[purchase.buyer][purchase.nonce]) revert NonceUsed(purchase.buyer, purchase.nonce);
        if (!_isSigned(purchase.buyer, digestOf(purchase), signature)) revert PurchaseNotSigned(purchase.buyer);
        isNonceUsed[purchase.buyer][purchase.nonce] = true;

        Sale storage sale = _sales[purchase.token];
        (address issuer, uint256 cost) = _take(sale, purchase);
        emit Sold(purchase.token, purchase.buyer, purchase.nonce, purchase.qty, cost, sale.sold);
        _swap(purchase, issuer, cost);
    }

    /// @dev Counts the purchase against the sale's limits.
    function _take(Sale storage sale, Purchase calldata purchase) private returns (address issuer, uint256 cost) {
        SaleTerms memory terms = sale.terms;
        if (!sale.open) revert SaleNotOpen(purchase.token);
        if (block.timestamp < terms.opensAt) revert BeforeOpening(terms.opensAt);
        if (block.timestamp >= terms.closesAt) revert AfterClosing(terms.closesAt);
        if (purchase.buyer == terms.issuer) revert BuyerIsIssuer(purchase.buyer);
        if (purchase.qty == 0) revert ZeroAmount();
        if (purchase.qty % terms.lotBaseUnits != 0) revert NotWholeLots(purchase.qty, terms.lotBaseUnits);

        uint256 left = terms.qtyMax - sale.sold;
        if (purchase.qty > left) revert MoreThanLeft(purchase.qty, left);
        mapping(address => uint256) storage boughtBy_ = _boughtBy[purchase.token][sale.number];
        left = terms.perBuyerMax - boughtBy_[purchase.buyer];
        if (purchase.qty > left) revert MoreThanAllowed(purchase.qty, left);
        cost = purchase.qty / terms.lotBaseUnits * terms.priceUsdcMicros;
        if (cost > purchase.usdcMax) revert CostsMore(cost, purchase.usdcMax);

        sale.sold += uint128(purchase.qty);
        boughtBy_[purchase.buyer] += purchase.qty;
        return (terms.issuer, cost);
    }

    /// @dev The token checks the buyer's identity and its compliance, and nothing of the seller.
    function _swap(Purchase calldata purchase, address issuer, uint256 cost) private {
        IPropertyToken token = IPropertyToken(purchase.token);
        if (!token.identityRegistry().isVerified(issuer)) revert SellerNotVerified(issuer);
        uint256 before = usdc.balanceOf(issuer);
        usdc.safeTransferFrom(purchase.buyer, issuer, cost);
        uint256 received = usdc.balanceOf(issuer) - before;
        if (received != cost) revert WrongAmountReceived(cost, received);
        if (!token.transferFrom(issuer, purchase.buyer, purchase.qty)) revert TokenTransferFailed(purchase.token);
    }

    function _isSigned(address buyer, bytes32 digest, bytes calldata signature) private view returns (bool) {
        if (signature.length == 65) {
            (bytes32 r, bytes32 s) = abi.decode(signature[:64], (bytes32, bytes32));
            address signer = uint256(s) > _HALF_ORDER ? address(0) : ecrecover(digest, uint8(signature[64]), r, s);
            if (signer != address(0) && signer == buyer) return true;
        }
        if (buyer.code.length == 0) return false;
        bytes4 accepted = IContractSigner.isValidSignature.selector;
        return IContractSigner(buyer).isValidSignature(digest, signature) == accepted;
    }

    function _isRole(bytes32 role) internal pure override returns (bool) {
        return role == OPERATOR;
    }
}
