// The price levels of one side of a book, best first: an array with bitmaps around the market, a map for prices far away.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>

#include "pool.hpp"
#include "prefetch.hpp"

namespace deedbook {

/// The orders at one price, first come first served: numbers in the pool of orders.
struct Level {
    std::uint32_t first = NIL, last = NIL;
    std::int64_t lots = 0;  // open

    bool is_empty() const noexcept { return first == NIL; }
};

/// Keys are prices with a sign, so that the smallest key is the best price on either side.
class Levels {
public:
    static constexpr std::int64_t NO_KEY = std::numeric_limits<std::int64_t>::max();

    std::int64_t first_key() const noexcept { return first_; }

    /// The level of a key that has orders.
    Level& at(std::int64_t key) noexcept {
        const std::uint64_t offset = offset_of(key);
        return offset < WINDOW ? pages_->of[offset / PAGE]->levels[offset % PAGE] : far_.find(key)->second;
    }

    /// A key's level will be used soon.
    void prefetch(std::int64_t key) const noexcept {
        const std::uint64_t offset = offset_of(key);
        if (offset >= WINDOW || !pages_) return;
        if (const Page* page = pages_->of[offset / PAGE].get()) {
            deedbook::prefetch(&page->used[offset % PAGE / 64]);
            deedbook::prefetch(&page->levels[offset % PAGE]);
        }
    }

    void prefetch_page(std::int64_t key) const noexcept {
        const std::uint64_t offset = offset_of(key);
        if (offset < WINDOW && pages_) deedbook::prefetch(&pages_->of[offset / PAGE]);
    }

    /// The last order of a key near the market, NIL where none is.
    std::uint32_t last_near(std::int64_t key) const noexcept {
        const std::uint64_t offset = offset_of(key);
        if (offset >= WINDOW || !pages_) return NIL;
        const Page* page = pages_->of[offset / PAGE].get();
        return page != nullptr && (page->used[offset % PAGE / 64] & bit(offset)) != 0 ? page->levels[offset % PAGE].last : NIL;
    }

    /// The level of a key, made where there is none; the caller puts an order into it.
    Level& open(std::int64_t key) {
        if (near_count_ == 0) base_ = lowest_of_window(key);
        Level& level = level_to_open(key);
        if (key < first_) first_ = key;
        return level;
    }

    /// Forget a level that has become empty.
    void close(std::int64_t key) noexcept {
        const std::uint64_t offset = offset_of(key);
        if (offset < WINDOW) {
            --near_count_;
            Page& page = *pages_->of[offset / PAGE];
            page.used[offset % PAGE / 64] &= ~bit(offset);
            if ((page.used[0] | page.used[1] | page.used[2] | page.used[3]) == 0) {
                const std::uint64_t number = offset / PAGE;
                pages_->used[number / 64] &= ~bit(number);
            }
        } else {
            far_.erase(key);
        }
        if (key == first_) first_ = next_key(key);
    }

    /// The next key after one, or NO_KEY.
    std::int64_t next_key(std::int64_t key) const noexcept {
        const auto far = far_.upper_bound(key);
        const std::int64_t far_key = far == far_.end() ? NO_KEY : far->first;
        const std::int64_t near_key = next_near_key(key);
        return near_key < far_key ? near_key : far_key;
    }

private:
    static constexpr std::uint64_t PAGE = 256;        // ticks
    static constexpr std::uint64_t PAGES = 1024;
    static constexpr std::uint64_t WINDOW = PAGE * PAGES;

    struct Page {
        std::array<std::uint64_t, PAGE / 64> used{};
        std::array<Level, PAGE> levels{};
    };

    struct Directory {
        std::array<std::uint64_t, PAGES / 64> used{};
        std::array<std::unique_ptr<Page>, PAGES> of{};
    };

    static std::uint64_t bit(std::uint64_t number) noexcept { return std::uint64_t{1} << (number % 64); }

    static std::int64_t lowest_of_window(std::int64_t key) noexcept {
        const std::int64_t half = static_cast<std::int64_t>(WINDOW / 2);
        return key < std::numeric_limits<std::int64_t>::min() + 2 * half ? std::numeric_limits<std::int64_t>::min()
                                                                         : key - half;
    }

    std::uint64_t offset_of(std::int64_t key) const noexcept {
        return static_cast<std::uint64_t>(key) - static_cast<std::uint64_t>(base_);  // below the base: huge
    }

    Level& level_to_open(std::int64_t key) {
        const std::uint64_t offset = offset_of(key);
        if (offset >= WINDOW || !far_.empty()) {
            const auto far = far_.find(key);
            if (far != far_.end()) return far->second;
            if (offset >= WINDOW) return far_[key];
        }
        if (!pages_) pages_ = std::make_unique<Directory>();
        std::unique_ptr<Page>& page = pages_->of[offset / PAGE];
        if (!page) page = std::make_unique<Page>();
        std::uint64_t& used = page->used[offset % PAGE / 64];
        if ((used & bit(offset)) == 0) {
            used |= bit(offset);
            pages_->used[offset / PAGE / 64] |= bit(offset / PAGE);
            ++near_count_;
            page->levels[offset % PAGE] = {};
        }
        return page->levels[offset % PAGE];
    }

    std::int64_t next_near_key(std::int64_t key) const noexcept {
        if (near_count_ == 0) return NO_KEY;
        std::uint64_t offset = key < base_ ? 0 : offset_of(key) + 1;
        if (offset >= WINDOW) return NO_KEY;
        if (const Page* page = pages_->of[offset / PAGE].get()) {
            for (std::uint64_t word = offset % PAGE / 64; word < PAGE / 64; ++word) {
                std::uint64_t used = page->used[word];
                if (word == offset % PAGE / 64) used &= ~std::uint64_t{0} << (offset % 64);
                if (used != 0) return key_of(offset / PAGE, word, used);
            }
        }
        const std::uint64_t next = offset / PAGE + 1;
        for (std::uint64_t word = next / 64; word < PAGES / 64; ++word) {
            std::uint64_t used = pages_->used[word];
            if (word == next / 64) used &= ~std::uint64_t{0} << (next % 64);
            if (used != 0) return first_key_of_page(word * 64 + static_cast<std::uint64_t>(std::countr_zero(used)));
        }
        return NO_KEY;
    }

    std::int64_t first_key_of_page(std::uint64_t number) const noexcept {
        const Page& page = *pages_->of[number];
        std::uint64_t word = 0;
        while (page.used[word] == 0) ++word;
        return key_of(number, word, page.used[word]);
    }

    std::int64_t key_of(std::uint64_t page, std::uint64_t word, std::uint64_t used) const noexcept {
        const std::uint64_t offset = page * PAGE + word * 64 + static_cast<std::uint64_t>(std::countr_zero(used));
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(base_) + offset);
    }

    std::int64_t first_ = NO_KEY;
    std::int64_t base_ = 0;  // the lowest key of the window; it moves only while nothing is in it
    std::uint64_t near_count_ = 0;
    std::unique_ptr<Directory> pages_;
    std::map<std::int64_t, Level> far_;
};

}  // namespace deedbook
