// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ICashToken} from "../src/interfaces/ICashToken.sol";
import {IContractSigner} from "../src/interfaces/IContractSigner.sol";
import {NonReentrant} from "../src/NonReentrant.sol";
import {PrimarySale, Purchase, SaleTerms} from "../src/PrimarySale.sol";
import {Timelocked} from "../src/Timelocked.sol";
import {OddCash} from "./OddCash.sol";
import {World} from "./World.sol";

/// @notice A wallet that is a contract and accepts one digest.
contract ContractWallet is IContractSigner {
    bytes32 public accepted;

    function accept(bytes32 digest) external {
        accepted = digest;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view override returns (bytes4) {
        return digest == accepted ? IContractSigner.isValidSignature.selector : bytes4(0xffffffff);
    }
}

/// @notice A token that says no without reverting, or calls the sale back. It is its own registry.
contract RefusingToken {
    bytes public callback;

    function setCallback(bytes calldata data) external {
        callback = data;
    }

    function identityRegistry() external view returns (address) {
        return address(this);
    }

    function isVerified(address) external pure returns (bool) {
        return true;
    }

    function transferFrom(address, address, uint256) external returns (bool) {
        if (callback.length == 0) return false;
        (bool ok, bytes memory reason) = msg.sender.call(callback);
        // solhint-disable-next-line no-inline-assembly
        if (!ok) assembly { revert(add(reason, 0x20), mload(reason)) }
        return true;
    }
}

contract PrimarySaleTest is World {
    event SaleOpened(address indexed token, uint64 indexed number, SaleTerms terms);
    event SaleClosed(address indexed token, uint64 indexed number, uint256 sold);
    event Sold(
        address indexed token, address indexed buyer, uint256 indexed nonce, uint256 qty, uint256 usdcMicros, uint256 sold
    );

    uint256 private constant SELLER_KEY = 0xC1;
    uint256 private constant BUYER_KEY = 0xC2;
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    uint256 private constant SUPPLY = 1_000;
    uint128 private constant PRICE = 10_500_000;
    uint128 private constant LOT = 10;
    PrimarySale private sale;
    SaleTerms private terms;
    address private seller;
    address private buyer;

    function setUp() public {
        buildWorld();
        sale = _sale(address(usdc));
        seller = newVerified(SELLER_KEY);
        buyer = newVerified(BUYER_KEY);
        token.mint(seller, SUPPLY);
        usdc.mint(buyer, 1e12);
        vm.prank(seller);
        token.approve(address(sale), SUPPLY);
        vm.prank(buyer);
        usdc.approve(address(sale), type(uint256).max);
        uint64 now_ = uint64(block.timestamp);
        terms = SaleTerms(seller, PRICE, LOT, 600, 300, now_, now_ + 30 days);
        vm.prank(OPERATOR);
        sale.open(address(token), terms);
    }

    function testTokensAndCashChangeHandsTogether() public {
        Purchase memory purchase = _purchase(200, 1);
        vm.expectEmit(true, true, true, true, address(sale));
        emit Sold(address(token), buyer, 1, 200, 20 * PRICE, 200);
        _buy(purchase);
        assertEq(token.balanceOf(buyer), 200, "tokens");
        assertEq(token.balanceOf(seller), SUPPLY - 200, "unsold");
        assertEq(usdc.balanceOf(seller), 20 * PRICE, "cash");
        assertEq(usdc.balanceOf(buyer), 1e12 - 20 * PRICE, "rest");
        assertEq(sale.saleOf(address(token)).sold, 200, "sold");
        assertEq(sale.boughtBy(address(token), buyer), 200, "bought");
        assertEq(usdc.balanceOf(address(sale)) + token.balanceOf(address(sale)), 0, "holds nothing");
    }

    function testAPurchaseIsMadeOnce() public {
        Purchase memory purchase = _purchase(10, 7);
        _buy(purchase);
        assertTrue(sale.isNonceUsed(buyer, 7), "used");
        _fails(purchase, abi.encodeWithSelector(PrimarySale.NonceUsed.selector, buyer, 7));
        purchase.qty = 20;
        _fails(purchase, abi.encodeWithSelector(PrimarySale.NonceUsed.selector, buyer, 7));
    }

    function testFuzzEveryFieldIsSigned(uint256 seed) public {
        Purchase memory purchase = _purchase(10, 1);
        bytes memory signature = _sign(BUYER_KEY, purchase);
        uint256 flip = uint256(1) << ((seed >> 8) & 0xff);
        uint256 field = seed % 6;
        if (field == 0) purchase.buyer = address(uint160(purchase.buyer) ^ uint160(1 << ((seed >> 8) % 160)));
        if (field == 1) purchase.token = address(uint160(purchase.token) ^ uint160(1 << ((seed >> 8) % 160)));
        if (field == 2) purchase.qty ^= flip;
        if (field == 3) purchase.usdcMax ^= flip;
        if (field == 4) purchase.nonce ^= flip;
        if (field == 5) purchase.deadline ^= 1 << (32 + ((seed >> 8) % 128)); // always later: not simply over
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.PurchaseNotSigned.selector, purchase.buyer));
        sale.buy(purchase, signature);
    }

    function testFuzzTheDigestIsTheStandards(Purchase memory purchase) public view {
        bytes32 typehash = keccak256(
            "Purchase(address buyer,address token,uint256 qty,uint256 usdcMax,uint256 nonce,uint256 deadline)"
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Deedbook Primary Sale"),
                keccak256("1"),
                block.chainid,
                sale
            )
        );
        bytes32 hash = keccak256(abi.encode(typehash, purchase)); // its fields are all of one word
        assertTrue(sale.digestOf(purchase) == keccak256(abi.encodePacked(hex"1901", domain, hash)), "digest");
    }

    function testAnotherKeyAMirroredSignatureAndNobodySignNothing() public {
        Purchase memory purchase = _purchase(10, 1);
        bytes memory refusal = abi.encodeWithSelector(PrimarySale.PurchaseNotSigned.selector, buyer);
        bytes memory other = _sign(SELLER_KEY, purchase);
        vm.expectRevert(refusal);
        sale.buy(purchase, other);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(BUYER_KEY, sale.digestOf(purchase));
        vm.expectRevert(refusal);
        sale.buy(purchase, abi.encodePacked(r, ORDER - uint256(s), v == 27 ? 28 : 27));
        vm.expectRevert(refusal);
        sale.buy(purchase, abi.encodePacked(r, s));
        vm.expectRevert(refusal);
        sale.buy(purchase, "");
        purchase.buyer = address(0);
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.PurchaseNotSigned.selector, address(0)));
        sale.buy(purchase, abi.encodePacked(r, s, uint8(0)));
    }

    function testASignatureIsForThisSaleContractOnly() public {
        Purchase memory purchase = _purchase(10, 1);
        bytes memory signature = _sign(BUYER_KEY, purchase);
        PrimarySale other = _sale(address(usdc));
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.PurchaseNotSigned.selector, buyer));
        other.buy(purchase, signature);
    }

    function testAContractWalletAnswersForItself() public {
        ContractWallet wallet = new ContractWallet();
        registry.registerIdentity(address(wallet), identityOf[buyer], 276);
        usdc.mint(address(wallet), 1e9);
        vm.prank(address(wallet));
        usdc.approve(address(sale), type(uint256).max);
        Purchase memory purchase = _purchase(10, 1);
        purchase.buyer = address(wallet);
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.PurchaseNotSigned.selector, address(wallet)));
        sale.buy(purchase, "");
        wallet.accept(sale.digestOf(purchase));
        sale.buy(purchase, "");
        assertEq(token.balanceOf(address(wallet)), 10, "bought");
    }

    function testThePurchaseIsOverAfterItsDeadline() public {
        Purchase memory purchase = _purchase(10, 1);
        vm.warp(purchase.deadline + 1);
        _fails(purchase, abi.encodeWithSelector(PrimarySale.PurchaseExpired.selector, purchase.deadline));
        vm.warp(purchase.deadline);
        _buy(purchase);
    }

    function testTheSaleHasAWindow() public {
        vm.startPrank(OPERATOR);
        sale.close(address(token));
        terms.opensAt = uint64(block.timestamp) + 10;
        terms.closesAt = terms.opensAt + 10;
        sale.open(address(token), terms);
        vm.stopPrank();
        _fails(_purchase(10, 1), abi.encodeWithSelector(PrimarySale.BeforeOpening.selector, terms.opensAt));
        vm.warp(terms.opensAt);
        _buy(_purchase(10, 1));
        vm.warp(terms.closesAt);
        _fails(_purchase(10, 2), abi.encodeWithSelector(PrimarySale.AfterClosing.selector, terms.closesAt));
    }

    function testAClosedSaleSellsNothingAndItsSuccessorCountsAnew() public {
        _buy(_purchase(300, 1));
        vm.expectEmit(true, true, true, true, address(sale));
        emit SaleClosed(address(token), 1, 300);
        vm.startPrank(OPERATOR);
        sale.close(address(token));
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.SaleNotOpen.selector, address(token)));
        sale.close(address(token));
        vm.stopPrank();
        _fails(_purchase(10, 2), abi.encodeWithSelector(PrimarySale.SaleNotOpen.selector, address(token)));
        vm.expectEmit(true, true, true, true, address(sale));
        emit SaleOpened(address(token), 2, terms);
        vm.prank(OPERATOR);
        sale.open(address(token), terms);
        _buy(_purchase(300, 2));
        assertEq(sale.saleOf(address(token)).sold, 300, "sold");
    }

    function testACapOfTheSaleAndOneOfTheBuyer() public {
        address other = newVerified(0xC3);
        usdc.mint(other, 1e12);
        vm.prank(other);
        usdc.approve(address(sale), type(uint256).max);
        _buy(_purchase(290, 1));
        _fails(_purchase(20, 2), abi.encodeWithSelector(PrimarySale.MoreThanAllowed.selector, 20, 10));
        _buy(_purchase(10, 2));
        Purchase memory purchase = _purchase(290, 1);
        purchase.buyer = other;
        sale.buy(purchase, _sign(0xC3, purchase));
        (purchase.qty, purchase.nonce) = (20, 2);
        bytes memory signature = _sign(0xC3, purchase);
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.MoreThanLeft.selector, 20, 10));
        sale.buy(purchase, signature);
    }

    function testOnlyWholeLotsAreSoldAndNeverNone() public {
        _fails(_purchase(15, 1), abi.encodeWithSelector(PrimarySale.NotWholeLots.selector, 15, LOT));
        _fails(_purchase(0, 1), abi.encodeWithSelector(PrimarySale.ZeroAmount.selector));
    }

    function testFuzzTheBuyerPaysTheExactPriceAndNoMoreThanTheySaid(uint256 lots, uint256 usdcMax) public {
        lots = bound(lots, 1, 30);
        Purchase memory purchase = _purchase(lots * LOT, 1);
        uint256 cost = lots * PRICE;
        purchase.usdcMax = bound(usdcMax, cost - 5, cost + 5);
        if (purchase.usdcMax < cost) {
            _fails(purchase, abi.encodeWithSelector(PrimarySale.CostsMore.selector, cost, purchase.usdcMax));
        } else {
            _buy(purchase);
            assertEq(usdc.balanceOf(seller), cost, "cost");
        }
    }

    function testTheIssuerBuysNothingOfItself() public {
        Purchase memory purchase = _purchase(10, 1);
        purchase.buyer = seller;
        bytes memory signature = _sign(SELLER_KEY, purchase);
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.BuyerIsIssuer.selector, seller));
        sale.buy(purchase, signature);
    }

    function testBothSidesMustBeVerified() public {
        revokeClaimOf(buyer);
        _fails(_purchase(10, 1), bytes("Transfer not possible"), true);
        Purchase memory purchase = _purchase(10, 1);
        purchase.buyer = newVerified(0xC4);
        usdc.mint(purchase.buyer, 1e12);
        vm.prank(purchase.buyer);
        usdc.approve(address(sale), type(uint256).max);
        bytes memory signature = _sign(0xC4, purchase);
        revokeClaimOf(seller);
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.SellerNotVerified.selector, seller));
        sale.buy(purchase, signature);
    }

    function testWhatTheTokenRefusesLeavesTheCashWhereItWas() public {
        token.setAddressFrozen(buyer, true);
        _fails(_purchase(10, 1), bytes("wallet is frozen"), true);
        token.setAddressFrozen(buyer, false);
        token.pause();
        _fails(_purchase(10, 1), bytes("Pausable: paused"), true);
        token.unpause();
        vm.prank(seller);
        token.approve(address(sale), 9);
        _failsSomehow(_purchase(10, 1));
        assertEq(usdc.balanceOf(seller), 0, "no cash");
        assertEq(usdc.balanceOf(buyer), 1e12, "all of it");
    }

    function testATokenThatSaysNoOrCallsBackIsRefused() public {
        RefusingToken odd = new RefusingToken();
        vm.prank(OPERATOR);
        sale.open(address(odd), terms);
        Purchase memory purchase = _purchase(10, 1);
        purchase.token = address(odd);
        bytes memory signature = _sign(BUYER_KEY, purchase);
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.TokenTransferFailed.selector, address(odd)));
        sale.buy(purchase, signature);
        Purchase memory second = _purchase(10, 2);
        odd.setCallback(abi.encodeCall(PrimarySale.buy, (second, _sign(BUYER_KEY, second))));
        vm.expectRevert(abi.encodeWithSelector(NonReentrant.Reentered.selector));
        sale.buy(purchase, signature);
    }

    function testWithoutCashOrItsApprovalNothingMoves() public {
        vm.prank(buyer);
        usdc.approve(address(sale), 10 * PRICE - 1);
        _failsSomehow(_purchase(100, 1));
        usdc.setBlacklisted(buyer, true);
        _failsSomehow(_purchase(10, 1));
        assertEq(token.balanceOf(buyer), 0, "no tokens");
    }

    function testFuzzOddCashIsTakenWholeOrNotAtAll(uint8 seed) public {
        OddCash.Kind kind = OddCash.Kind(seed % 5);
        sale = _sale(address(new OddCash(kind)));
        vm.prank(OPERATOR);
        sale.open(address(token), terms);
        vm.prank(seller);
        token.approve(address(sale), SUPPLY);
        Purchase memory purchase = _purchase(10, 1);
        bytes memory signature = _sign(BUYER_KEY, purchase);
        if (kind == OddCash.Kind.TakesFee) {
            vm.expectRevert(abi.encodeWithSelector(PrimarySale.WrongAmountReceived.selector, PRICE, PRICE - 1));
        } else if (kind != OddCash.Kind.ReturnsNothing) {
            vm.expectRevert();
        }
        sale.buy(purchase, signature);
        assertEq(token.balanceOf(buyer), kind == OddCash.Kind.ReturnsNothing ? 10 : 0, "tokens");
    }

    function testAPermitStandsForTheApproval() public {
        vm.prank(buyer);
        usdc.approve(address(sale), 0);
        Purchase memory purchase = _purchase(10, 1);
        bytes memory signature = _sign(BUYER_KEY, purchase);
        (uint8 v, bytes32 r, bytes32 s) = _permit(purchase);
        vm.prank(STRANGER);
        sale.buyWithPermit(purchase, signature, v, r, s);
        assertEq(token.balanceOf(buyer), 10, "bought");
        assertEq(usdc.allowance(buyer, address(sale)), purchase.usdcMax - PRICE, "what they said");
    }

    function testAPermitUsedByAnotherDoesNotStopThePurchase() public {
        vm.prank(buyer);
        usdc.approve(address(sale), 0);
        Purchase memory purchase = _purchase(10, 1);
        bytes memory signature = _sign(BUYER_KEY, purchase);
        (uint8 v, bytes32 r, bytes32 s) = _permit(purchase);
        usdc.permit(buyer, address(sale), purchase.usdcMax, purchase.deadline, v, r, s);
        sale.buyWithPermit(purchase, signature, v, r, s);
        assertEq(token.balanceOf(buyer), 10, "bought");
    }

    function testOnlyTheOperatorOpensAndCloses() public {
        bytes memory refusal = abi.encodeWithSelector(Timelocked.NotHolder.selector, bytes32("operator"), address(this));
        vm.expectRevert(refusal);
        sale.open(address(token), terms);
        vm.expectRevert(refusal);
        sale.close(address(token));
    }

    function testTermsThatMeanNothingAreRefused() public {
        vm.startPrank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.AlreadyOpen.selector, address(token)));
        sale.open(address(token), terms);
        sale.close(address(token));
        SaleTerms memory bad = terms;
        bad.issuer = address(0);
        vm.expectRevert(abi.encodeWithSelector(Timelocked.ZeroAddress.selector));
        sale.open(address(token), bad);
        bad = terms;
        bad.priceUsdcMicros = 0;
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.ZeroAmount.selector));
        sale.open(address(token), bad);
        bad = terms;
        bad.lotBaseUnits = 0;
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.ZeroAmount.selector));
        sale.open(address(token), bad);
        bad = terms;
        bad.closesAt = bad.opensAt;
        vm.expectRevert(abi.encodeWithSelector(PrimarySale.WindowEmpty.selector, bad.opensAt, bad.closesAt));
        sale.open(address(token), bad);
        vm.stopPrank();
    }

    function _sale(address cash) private returns (PrimarySale made) {
        made = new PrimarySale(ICashToken(cash), OWNER, CHANGE_DELAY);
        vm.prank(OWNER);
        made.appoint("operator", OPERATOR);
    }

    function _purchase(uint256 qty, uint256 nonce) private view returns (Purchase memory) {
        return Purchase(buyer, address(token), qty, 1e10, nonce, block.timestamp + 1 hours);
    }

    function _sign(uint256 key, Purchase memory purchase) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, sale.digestOf(purchase));
        return abi.encodePacked(r, s, v);
    }

    function _permit(Purchase memory purchase) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 hash = keccak256(
            abi.encode(
                usdc.PERMIT_TYPEHASH(),
                buyer,
                address(sale),
                purchase.usdcMax,
                usdc.nonces(buyer),
                purchase.deadline
            )
        );
        return vm.sign(BUYER_KEY, keccak256(abi.encodePacked("\x19\x01", usdc.DOMAIN_SEPARATOR(), hash)));
    }

    function _buy(Purchase memory purchase) private {
        bytes memory signature = _sign(BUYER_KEY, purchase);
        vm.prank(STRANGER); // anybody may bring it
        sale.buy(purchase, signature);
    }

    function _failsSomehow(Purchase memory purchase) private {
        bytes memory signature = _sign(BUYER_KEY, purchase);
        vm.expectRevert();
        sale.buy(purchase, signature);
    }

    function _fails(Purchase memory purchase, bytes memory reason) private {
        _fails(purchase, reason, false);
    }

    /// @param isText Whether `reason` is the text of a `require`.
    function _fails(Purchase memory purchase, bytes memory reason, bool isText) private {
        bytes memory signature = _sign(BUYER_KEY, purchase);
        vm.expectRevert(isText ? abi.encodeWithSignature("Error(string)", string(reason)) : reason);
        sale.buy(purchase, signature);
    }
}
